;; Zbs and Zicond: one bit; a value or zero.
;;
;; entry:  bset a0,a1,a2
;;         bclri a0,a0,0x5
;;         bext a3,a1,a2
;;         binvi a4,a1,0x3f
;;         czero.eqz a5,a1,a2
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $a4 (i64.load offset=a4 $hart))
(local.set $a5 (i64.load offset=a5 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block
      (local.set $a0 (i64.or $a1 (i64.shl (i64.const 1) (i64.and $a2 (i64.const 63)))))
      (local.set $a0 (i64.and $a0 (i64.const -33)))
      (local.set $a3 (i64.and (i64.shr_u $a1 (i64.and $a2 (i64.const 63))) (i64.const 1)))
      (local.set $a4 (i64.xor $a1 (i64.const -0x8000000000000000)))
      (local.set $a5 (select (i64.const 0) $a1 (i64.eqz $a2)))
      (local.set $l15 $ra)
      (drop (i64.add $page (i64.const 24)))
      (local.set $l16 (i64.and $l15 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 6)))
      (local.set $target $l16)
      (i64.store offset=a0 $hart $a0)
      (i64.store offset=a3 $hart $a3)
      (i64.store offset=a4 $hart $a4)
      (i64.store offset=a5 $hart $a5)
      (br $B1)
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a3 $hart $a3)
    (i64.store offset=a4 $hart $a4)
    (i64.store offset=a5 $hart $a5)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l16 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l16)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l15 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l15)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l17 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l17)
(local.set $l18 (i64.and $target (i64.const -0x1000)))
(local.set $l19 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l19) (i64.or $l18 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l20 (i32.load offset=FETCH_TLB.ADDEND $l19))
    (local.set $l21
      (i32.load16_u offset=SLOTS_REGION (i32.add $l20 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l21
      (then
        (return_call $env.region $hart $l18 $l20 $l21)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
