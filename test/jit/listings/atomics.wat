;; AMOs: aligned, and checked as stores.
;;
;; entry:  amoadd.w a0,a1,(a2)
;;         amoswap.d.aqrl a3,a4,(a2)
;;         amomaxu.w zero,a1,(a2)
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $a4 (i64.load offset=a4 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (local.set $way_out (i32.const 0x60000000))
      (br_if $B2 (i32.and (i32.wrap_i64 $a2) (i32.const 3)))
      (local.set $l15
        (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $a2 (i64.const 7))) (i32.const 0xffe0))))
      (local.set $way_out (i32.const 0x60000000))
      (br_if $B2
        (i64.ne
          (i64.load offset=DATA_TLB.WRITE_TAG $l15)
          (i64.or (i64.and (i64.add $a2 (i64.const 3)) (i64.const -0x1000)) $data_context)))
      (local.set $l16 (i32.add (i32.wrap_i64 $a2) (i32.load offset=DATA_TLB.ADDEND $l15)))
      (local.set $l17 (i64.load32_s $l16))
      (local.set $l18 (i64.extend32_s $a1))
      (i64.store32 $l16 (i64.add $l17 $l18))
      (local.set $a0 (i64.extend32_s $l17))
      (local.set $way_out (i32.const 0x60100002))
      (br_if $B2 (i32.and (i32.wrap_i64 $a2) (i32.const 7)))
      (local.set $l16
        (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $a2 (i64.const 7))) (i32.const 0xffe0))))
      (local.set $way_out (i32.const 0x60100002))
      (br_if $B2
        (i64.ne
          (i64.load offset=DATA_TLB.WRITE_TAG $l16)
          (i64.or (i64.and (i64.add $a2 (i64.const 7)) (i64.const -0x1000)) $data_context)))
      (local.set $l15 (i32.add (i32.wrap_i64 $a2) (i32.load offset=DATA_TLB.ADDEND $l16)))
      (local.set $l18 (i64.load $l15))
      (local.set $l17 $a4)
      (i64.store $l15 $l17)
      (local.set $a3 $l18)
      (local.set $way_out (i32.const 0x60200004))
      (br_if $B2 (i32.and (i32.wrap_i64 $a2) (i32.const 3)))
      (local.set $l15
        (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $a2 (i64.const 7))) (i32.const 0xffe0))))
      (local.set $way_out (i32.const 0x60200004))
      (br_if $B2
        (i64.ne
          (i64.load offset=DATA_TLB.WRITE_TAG $l15)
          (i64.or (i64.and (i64.add $a2 (i64.const 3)) (i64.const -0x1000)) $data_context)))
      (local.set $l16 (i32.add (i32.wrap_i64 $a2) (i32.load offset=DATA_TLB.ADDEND $l15)))
      (local.set $l17 (i64.load32_u $l16))
      (local.set $l18 (i64.and $a1 (i64.const 0xffffffff)))
      (i64.store32 $l16 (select $l17 $l18 (i64.gt_u $l17 $l18)))
      (drop (i64.extend32_s $l17))
      (local.set $l18 $ra)
      (drop (i64.add $page (i64.const 16)))
      (local.set $l17 (i64.and $l18 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 4)))
      (local.set $target $l17)
      (i64.store offset=a0 $hart $a0)
      (i64.store offset=a3 $hart $a3)
      (br $B1)
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a3 $hart $a3)
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
      (local.set $l18 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l18)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l19 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l19)
(local.set $l20 (i64.and $target (i64.const -0x1000)))
(local.set $l16 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l16) (i64.or $l20 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l15 (i32.load offset=FETCH_TLB.ADDEND $l16))
    (local.set $l21
      (i32.load16_u offset=SLOTS_REGION (i32.add $l15 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l21
      (then
        (return_call $env.region $hart $l20 $l15 $l21)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
