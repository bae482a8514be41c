;; Instructions of two bytes: page offsets step by two, else they are what they stand for.
;;
;; entry:  c.li a0,5
;;         c.addi a0,-1
;;         c.mv a1,a0
;;         c.slli a1,0x4
;;         c.and a1,a0
;;         c.bnez a1,entry
;;         c.jr ra

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret_apart (i64.sub (i64.load offset=INSTRET $hart) (i64.mul $branches (i64.const 6))))
(block
  (block $B1
    (block $B2
      (loop $L3
        (local.set $a0 (i64.const 5))
        (local.set $a0 (i64.add $a0 (i64.const -1)))
        (local.set $a1 $a0)
        (local.set $a1 (i64.shl $a1 (i64.const 4)))
        (local.set $a1 (i64.and $a1 $a0))
        (local.set $l11 (i64.ne $a1 (i64.const 0)))
        (if $l11
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000000))
                (br $B2)))
            (br $L3))
          (else
            (local.set $l7 (i64.load offset=ra $hart))
            (local.set $l12 $l7)
            (drop (i64.add $page (i64.const 14)))
            (local.set $l13 (i64.and $l12 (i64.const -2)))
            (local.set $instret_apart (i64.add $instret_apart (i64.const 1)))
            (local.set $target $l13)
            (i64.store offset=a0 $hart $a0)
            (i64.store offset=a1 $hart $a1)
            (br $B1))))
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a1 $hart $a1)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret_apart
      (i64.add $instret_apart
        (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l13 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l13 (i64.const 6))))
    (i64.store offset=BRANCHES $hart $l13)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l12 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l12 (i64.const 6))))
      (i64.store offset=BRANCHES $hart $l12)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l14 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l14 (i64.const 6))))
(i64.store offset=BRANCHES $hart $l14)
(local.set $l15 (i64.and $target (i64.const -0x1000)))
(local.set $l11 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l11) (i64.or $l15 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l16 (i32.load offset=FETCH_TLB.ADDEND $l11))
    (local.set $l17
      (i32.load16_u offset=SLOTS_REGION (i32.add $l16 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l17
      (then
        (return_call $env.region $hart $l15 $l16 $l17)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
