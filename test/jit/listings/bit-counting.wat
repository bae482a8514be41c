;; Zbb: counts, minima, rotations, byte order.
;;
;; entry:  clz a0,a1
;;         ctzw a2,a1
;;         cpop a3,a1
;;         minu a4,a3,a2
;;         andn a5,a4,a1
;;         rori a6,a5,0x7
;;         rev8 a7,a6
;;         sext.h a0,a7
;;         orc.b a1,a0
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $a4 (i64.load offset=a4 $hart))
(local.set $a5 (i64.load offset=a5 $hart))
(local.set $a6 (i64.load offset=a6 $hart))
(local.set $a7 (i64.load offset=a7 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block
      (local.set $l17 $a1)
      (local.set $a0 (i64.clz $l17))
      (local.set $l17 $a1)
      (local.set $a2 (i64.extend_i32_u (i32.ctz (i32.wrap_i64 $l17))))
      (local.set $l17 $a1)
      (local.set $a3 (i64.popcnt $l17))
      (local.set $l17 $a3)
      (local.set $l18 $a2)
      (local.set $a4 (select $l17 $l18 (i64.lt_u $l17 $l18)))
      (local.set $a5 (i64.and $a4 (i64.xor $a1 (i64.const -1))))
      (local.set $a6 (i64.rotr $a5 (i64.const 7)))
      (local.set $l18 $a6)
      (local.set $l17
        (i64.or
          (i64.and (i64.shr_u $l18 (i64.const 8)) (i64.const 0xff00ff00ff00ff))
          (i64.shl (i64.and $l18 (i64.const 0xff00ff00ff00ff)) (i64.const 8))))
      (local.set $l19
        (i64.or
          (i64.and (i64.shr_u $l17 (i64.const 16)) (i64.const 0xffff0000ffff))
          (i64.shl (i64.and $l17 (i64.const 0xffff0000ffff)) (i64.const 16))))
      (local.set $a7 (i64.rotl $l19 (i64.const 32)))
      (local.set $l19 $a7)
      (local.set $a0 (i64.extend16_s $l19))
      (local.set $l19 $a0)
      (local.set $a1
        (i64.mul
          (i64.shr_u
            (i64.and
              (i64.or
                (i64.add (i64.and $l19 (i64.const 0x7f7f7f7f7f7f7f7f)) (i64.const 0x7f7f7f7f7f7f7f7f))
                $l19)
              (i64.const -0x7f7f7f7f7f7f7f80))
            (i64.const 7))
          (i64.const 255)))
      (local.set $l19 $ra)
      (drop (i64.add $page (i64.const 40)))
      (local.set $l17 (i64.and $l19 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 10)))
      (local.set $target $l17)
      (i64.store offset=a0 $hart $a0)
      (i64.store offset=a1 $hart $a1)
      (i64.store offset=a2 $hart $a2)
      (i64.store offset=a3 $hart $a3)
      (i64.store offset=a4 $hart $a4)
      (i64.store offset=a5 $hart $a5)
      (i64.store offset=a6 $hart $a6)
      (i64.store offset=a7 $hart $a7)
      (br $B1)
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a1 $hart $a1)
    (i64.store offset=a2 $hart $a2)
    (i64.store offset=a3 $hart $a3)
    (i64.store offset=a4 $hart $a4)
    (i64.store offset=a5 $hart $a5)
    (i64.store offset=a6 $hart $a6)
    (i64.store offset=a7 $hart $a7)
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
      (local.set $l19 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l19)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l18 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l18)
(local.set $l20 (i64.and $target (i64.const -0x1000)))
(local.set $l21 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l21) (i64.or $l20 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l22 (i32.load offset=FETCH_TLB.ADDEND $l21))
    (local.set $l23
      (i32.load16_u offset=SLOTS_REGION (i32.add $l22 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l23
      (then
        (return_call $env.region $hart $l20 $l22 $l23)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
