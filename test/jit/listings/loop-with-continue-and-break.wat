;; Two ways back to the header and two out of the loop.
;;
;; entry:  addi a0,a0,-1
;;         beq a0,a1,entry
;;         beq a0,a2,out
;;         bne a0,zero,entry
;; out:    addi a3,a3,1
;;         jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret_apart (i64.sub (i64.load offset=INSTRET $hart) (i64.mul $branches (i64.const 2))))
(block
  (block $B1
    (block $B2
      (loop $L3
        (local.set $a0 (i64.add $a0 (i64.const -1)))
        (local.set $l13 (i64.eq $a0 $a1))
        (if $l13
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000000))
                (br $B2)))
            (br $L3))
          (else
            (block $B6
              (local.set $l14 (i64.eq $a0 $a2))
              (if $l14
                (then
                  (local.set $instret_apart (i64.add $instret_apart (i64.const 3)))
                  (br $B6))
                (else
                  (local.set $l15 (i64.ne $a0 (i64.const 0)))
                  (if $l15
                    (then
                      (local.set $instret_apart (i64.add $instret_apart (i64.const 2)))
                      (local.set $left (i64.sub $left (i64.const 1)))
                      (if (i64.le_s $left (i64.const 0))
                        (then
                          (local.set $way_out (i32.const 0x40000000))
                          (br $B2)))
                      (br $L3))
                    (else
                      (local.set $instret_apart (i64.add $instret_apart (i64.const 4)))
                      (br $B6))))))
            (local.set $l7 (i64.load offset=ra $hart))
            (local.set $l11 (i64.load offset=a3 $hart))
            (block
              (local.set $l11 (i64.add $l11 (i64.const 1)))
              (local.set $l16 $l7)
              (drop (i64.add $page (i64.const 24)))
              (local.set $l17 (i64.and $l16 (i64.const -2)))
              (local.set $target $l17)
              (i64.store offset=a0 $hart $a0)
              (i64.store offset=a3 $hart $l11)
              (br $B1)
              (unreachable))
            (i64.store offset=a3 $hart $l11)
            (br $B2))))
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret_apart
      (i64.add $instret_apart
        (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l17 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l17 (i64.const 2))))
    (i64.store offset=BRANCHES $hart $l17)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l16 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l16 (i64.const 2))))
      (i64.store offset=BRANCHES $hart $l16)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l18 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l18 (i64.const 2))))
(i64.store offset=BRANCHES $hart $l18)
(local.set $l19 (i64.and $target (i64.const -0x1000)))
(local.set $l13 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l13) (i64.or $l19 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l14 (i32.load offset=FETCH_TLB.ADDEND $l13))
    (local.set $l15
      (i32.load16_u offset=SLOTS_REGION (i32.add $l14 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l15
      (then
        (return_call $env.region $hart $l19 $l14 $l15)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
