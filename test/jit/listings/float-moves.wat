;; Loads, stores, signs and bit patterns raise no flags.
;;
;; entry:  fld fa0,0(a0)
;;         flw fa1,8(a0)
;;         fsgnjx.d fa2,fa0,fa0
;;         fmv.x.w a1,fa1
;;         fmv.d.x fa3,a1
;;         fsd fa2,16(a0)
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $fa0 (i64.load offset=fa0 $hart))
(local.set $fa1 (i64.load offset=fa1 $hart))
(local.set $fa2 (i64.load offset=fa2 $hart))
(local.set $fa3 (i64.load offset=fa3 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (local.set $l16 (i32.load offset=MSTATUS $hart))
      (local.set $way_out (i32.const -0x60000000))
      (br_if $B2 (i32.eqz (i32.and $l16 (i32.const 0x6000))))
      (i32.store offset=MSTATUS $hart (i32.or $l16 (i32.const 0x6000)))
      (local.set $l18
        (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $a0 (i64.const 7))) (i32.const 0xffe0))))
      (local.set $way_out (i32.const 0x60000000))
      (br_if $B2
        (i64.ne
          (i64.load offset=DATA_TLB.WRITE_TAG $l18)
          (i64.or (i64.and (i64.add $a0 (i64.const 23)) (i64.const -0x1000)) $data_context)))
      (local.set $l17 (i32.add (i32.wrap_i64 $a0) (i32.load offset=DATA_TLB.ADDEND $l18)))
      (local.set $fa0 (i64.load $l17))
      (local.set $fa1
        (i64.or (i64.extend_i32_u (i32.wrap_i64 (i64.load32_u offset=8 $l17))) (i64.const -0x100000000)))
      (local.set $l19 $fa0)
      (local.set $l20 $fa0)
      (local.set $fa2
        (i64.or
          (i64.and $l19 (i64.const 0x7fffffffffffffff))
          (i64.and (i64.xor $l19 $l20) (i64.const -0x8000000000000000))))
      (local.set $a1 (i64.extend32_s $fa1))
      (local.set $fa3 $a1)
      (i64.store offset=16 $l17 $fa2)
      (local.set $l20 $ra)
      (drop (i64.add $page (i64.const 28)))
      (local.set $l19 (i64.and $l20 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 7)))
      (local.set $target $l19)
      (i64.store offset=a1 $hart $a1)
      (i64.store offset=fa0 $hart $fa0)
      (i64.store offset=fa1 $hart $fa1)
      (i64.store offset=fa2 $hart $fa2)
      (i64.store offset=fa3 $hart $fa3)
      (br $B1)
      (unreachable))
    (i64.store offset=a1 $hart $a1)
    (i64.store offset=fa0 $hart $fa0)
    (i64.store offset=fa1 $hart $fa1)
    (i64.store offset=fa2 $hart $fa2)
    (i64.store offset=fa3 $hart $fa3)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l19 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l19)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l20 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l20)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l21 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l21)
(local.set $l22 (i64.and $target (i64.const -0x1000)))
(local.set $l18 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l18) (i64.or $l22 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l16 (i32.load offset=FETCH_TLB.ADDEND $l18))
    (local.set $l23
      (i32.load16_u offset=SLOTS_REGION (i32.add $l16 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l23
      (then
        (return_call $env.region $hart $l22 $l16 $l23)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
