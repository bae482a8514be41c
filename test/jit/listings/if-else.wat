;; A diamond: both arms come together in one block, which is written once.
;;
;; entry:  bltu a0,a1,less
;;         sub a2,a0,a1
;;         jal zero,end
;; less:   sub a2,a1,a0
;; end:    addi a2,a2,1
;;         jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block
      (block $B3
        (local.set $l12 (i64.lt_u $a0 $a1))
        (if $l12
          (then
            (local.set $a2 (i64.sub $a1 $a0))
            (local.set $instret (i64.add $instret (i64.const 2)))
            (br $B3))
          (else
            (local.set $a2 (i64.sub $a0 $a1))
            (drop (i64.add $page (i64.const 12)))
            (local.set $instret (i64.add $instret (i64.const 3)))
            (br $B3))))
      (local.set $l7 (i64.load offset=ra $hart))
      (local.set $a2 (i64.add $a2 (i64.const 1)))
      (local.set $l13 $l7)
      (drop (i64.add $page (i64.const 24)))
      (local.set $l14 (i64.and $l13 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 2)))
      (local.set $target $l14)
      (i64.store offset=a2 $hart $a2)
      (br $B1)
      (unreachable))
    (i64.store offset=a2 $hart $a2)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l14 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l14)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l13 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l13)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l15 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l15)
(local.set $l16 (i64.and $target (i64.const -0x1000)))
(local.set $l12 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l12) (i64.or $l16 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l17 (i32.load offset=FETCH_TLB.ADDEND $l12))
    (local.set $l18
      (i32.load16_u offset=SLOTS_REGION (i32.add $l17 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l18
      (then
        (return_call $env.region $hart $l16 $l17 $l18)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
