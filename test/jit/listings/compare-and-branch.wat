;; A comparison whose result the branch behind it looks at.
;;
;; entry:  slt a2,a0,a1
;;         bne a2,zero,less
;;         sltu a3,a0,a1
;;         beq a3,zero,less
;;         addi a4,a4,1
;; less:   jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $a4 (i64.load offset=a4 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block
      (block $B3
        (local.set $a2 (i64.extend_i32_u (i64.lt_s $a0 $a1)))
        (local.set $l14 (i64.ne $a2 (i64.const 0)))
        (if $l14
          (then
            (local.set $instret (i64.add $instret (i64.const 2)))
            (br $B3))
          (else
            (local.set $a3 (i64.extend_i32_u (i64.lt_u $a0 $a1)))
            (local.set $l15 (i64.eq $a3 (i64.const 0)))
            (if $l15
              (then
                (local.set $instret (i64.add $instret (i64.const 4)))
                (br $B3))
              (else
                (local.set $a4 (i64.add $a4 (i64.const 1)))
                (local.set $instret (i64.add $instret (i64.const 5)))
                (br $B3))))))
      (local.set $l7 (i64.load offset=ra $hart))
      (local.set $l16 $l7)
      (drop (i64.add $page (i64.const 24)))
      (local.set $l17 (i64.and $l16 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 1)))
      (local.set $target $l17)
      (i64.store offset=a2 $hart $a2)
      (i64.store offset=a3 $hart $a3)
      (i64.store offset=a4 $hart $a4)
      (br $B1)
      (unreachable))
    (i64.store offset=a2 $hart $a2)
    (i64.store offset=a3 $hart $a3)
    (i64.store offset=a4 $hart $a4)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l17 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l17)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l16 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l16)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l18 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l18)
(local.set $l19 (i64.and $target (i64.const -0x1000)))
(local.set $l14 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l14) (i64.or $l19 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l15 (i32.load offset=FETCH_TLB.ADDEND $l14))
    (local.set $l20
      (i32.load16_u offset=SLOTS_REGION (i32.add $l15 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l20
      (then
        (return_call $env.region $hart $l19 $l15 $l20)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
