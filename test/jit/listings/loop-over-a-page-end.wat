;; A loop whose second half lies in the next page: checked where control falls into it, once.
;;
;;         .org 0xff8
;; entry:  addi a0,a0,-1
;;         xor a2,a2,a0
;;         beq a2,zero,out
;;         addi a3,a3,1
;;         bne a0,zero,entry
;; out:    jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block $B0
  (block $B1
    (block $B2
      (loop $L3
        (local.set $a0 (i64.add $a0 (i64.const -1)))
        (local.set $a2 (i64.xor $a2 $a0))
        (if (i32.eqz $l7)
          (then
            (local.set $l13 (i64.add $page (i64.const 0x1000)))
            (local.set $l14
              (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l13 (i64.const 7))) (i32.const 0x1fe0))))
            (local.set $way_out (i32.const 0x200800))
            (br_if $B2
              (i32.or
                (i64.ne
                  (i64.load offset=FETCH_TLB.READ_TAG $l14)
                  (i64.or $l13 (i64.load offset=FETCH_CONTEXT $hart)))
                (i32.ne (i32.load offset=FETCH_TLB.ADDEND $l14) (i32.load offset=SLOTS_LINKS[1] $decoded))))
            (local.set $l7 (i32.const 1))))
        (block $B5
          (local.set $l15 (i64.eq $a2 (i64.const 0)))
          (if $l15
            (then
              (local.set $instret (i64.add $instret (i64.const 3)))
              (br $B5))
            (else
              (local.set $a3 (i64.add $a3 (i64.const 1)))
              (local.set $l16 (i64.ne $a0 (i64.const 0)))
              (local.set $instret (i64.add $instret (i64.const 5)))
              (if $l16
                (then
                  (local.set $left (i64.sub $left (i64.const 1)))
                  (if (i64.le_s $left (i64.const 0))
                    (then
                      (local.set $way_out (i32.const 0x400007fc))
                      (br $B2)))
                  (br $L3))
                (else
                  (br $B5))))))
        (local.set $l8 (i64.load offset=ra $hart))
        (local.set $l17 $l8)
        (drop (i64.add $page (i64.const 0x1010)))
        (local.set $l18 (i64.and $l17 (i64.const -2)))
        (local.set $instret (i64.add $instret (i64.const 1)))
        (local.set $target $l18)
        (i64.store offset=a0 $hart $a0)
        (i64.store offset=a2 $hart $a2)
        (i64.store offset=a3 $hart $a3)
        (br $B1))
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a2 $hart $a2)
    (i64.store offset=a3 $hart $a3)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (br_if $B0 (i32.eqz (i32.shr_u $way_out (i32.const 29))))
    (local.set $l18 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l18)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l17 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l17)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l19 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l19)
(local.set $l20 (i64.and $target (i64.const -0x1000)))
(local.set $l15 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l15) (i64.or $l20 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l16 (i32.load offset=FETCH_TLB.ADDEND $l15))
    (local.set $l21
      (i32.load16_u offset=SLOTS_REGION (i32.add $l16 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l21
      (then
        (return_call $env.region $hart $l20 $l16 $l21)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
