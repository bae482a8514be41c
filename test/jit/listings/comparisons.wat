;; slt and its relatives: comparisons that leave 0 or 1.
;;
;; entry:  slt a0,a1,a2
;;         sltu a3,a1,a2
;;         slti a4,a1,-5
;;         sltiu a5,a1,1
;;         sltu a6,zero,a1
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $a4 (i64.load offset=a4 $hart))
(local.set $a5 (i64.load offset=a5 $hart))
(local.set $a6 (i64.load offset=a6 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block
      (local.set $a0 (i64.extend_i32_u (i64.lt_s $a1 $a2)))
      (local.set $a3 (i64.extend_i32_u (i64.lt_u $a1 $a2)))
      (local.set $a4 (i64.extend_i32_u (i64.lt_s $a1 (i64.const -5))))
      (local.set $a5 (i64.extend_i32_u (i64.lt_u $a1 (i64.const 1))))
      (local.set $a6 (i64.extend_i32_u (i64.lt_u (i64.const 0) $a1)))
      (local.set $l16 $ra)
      (drop (i64.add $page (i64.const 24)))
      (local.set $l17 (i64.and $l16 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 6)))
      (local.set $target $l17)
      (i64.store offset=a0 $hart $a0)
      (i64.store offset=a3 $hart $a3)
      (i64.store offset=a4 $hart $a4)
      (i64.store offset=a5 $hart $a5)
      (i64.store offset=a6 $hart $a6)
      (br $B1)
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a3 $hart $a3)
    (i64.store offset=a4 $hart $a4)
    (i64.store offset=a5 $hart $a5)
    (i64.store offset=a6 $hart $a6)
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
(local.set $l20 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l20) (i64.or $l19 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l21 (i32.load offset=FETCH_TLB.ADDEND $l20))
    (local.set $l22
      (i32.load16_u offset=SLOTS_REGION (i32.add $l21 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l22
      (then
        (return_call $env.region $hart $l19 $l21 $l22)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
