;; One callee, two callers: the return is compared with both.
;;
;; entry:  addi s0,ra,0
;;         jal ra,double
;;         jal ra,double
;;         jalr zero,0(s0)
;; double: add a0,a0,a0
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $s0 (i64.load offset=s0 $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block $B2
      (local.set $s0 $ra)
      (local.set $ra (i64.add $page (i64.const 8)))
      (local.set $instret (i64.add $instret (i64.const 2)))
      (loop $L3
        (local.set $a0 (i64.add $a0 $a0))
        (local.set $l11 $ra)
        (drop (i64.add $page (i64.const 24)))
        (local.set $l12 (i64.and $l11 (i64.const -2)))
        (local.set $instret (i64.add $instret (i64.const 2)))
        (if (i64.eq $l12 (i64.add $page (i64.const 8)))
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000004))
                (br $B2)))
            (local.set $ra (i64.add $page (i64.const 12)))
            (local.set $instret (i64.add $instret (i64.const 1)))
            (br $L3)))
        (if (i64.eq $l12 (i64.add $page (i64.const 12)))
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000006))
                (br $B2)))
            (local.set $l13 $s0)
            (drop (i64.add $page (i64.const 16)))
            (local.set $l14 (i64.and $l13 (i64.const -2)))
            (local.set $instret (i64.add $instret (i64.const 1)))
            (local.set $target $l14)
            (i64.store offset=ra $hart $ra)
            (i64.store offset=s0 $hart $s0)
            (i64.store offset=a0 $hart $a0)
            (br $B1)))
        (local.set $target $l12)
        (i64.store offset=ra $hart $ra)
        (i64.store offset=s0 $hart $s0)
        (i64.store offset=a0 $hart $a0)
        (br $B1))
      (unreachable))
    (i64.store offset=ra $hart $ra)
    (i64.store offset=s0 $hart $s0)
    (i64.store offset=a0 $hart $a0)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l12 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l12)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l11 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l11)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l14 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l14)
(local.set $l13 (i64.and $target (i64.const -0x1000)))
(local.set $l15 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l15) (i64.or $l13 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l16 (i32.load offset=FETCH_TLB.ADDEND $l15))
    (local.set $l17
      (i32.load16_u offset=SLOTS_REGION (i32.add $l16 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l17
      (then
        (return_call $env.region $hart $l13 $l16 $l17)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
