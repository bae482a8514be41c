;; What was stored is loaded again through the same check.
;;
;; entry:  sw a1,4(a0)
;;         lw a2,4(a0)
;;         sd a2,8(a0)
;;         lhu a3,10(a0)
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (local.set $l15
        (i32.add $hart
          (i32.and (i32.wrap_i64 (i64.shr_u (i64.add $a0 (i64.const 4)) (i64.const 7))) (i32.const 0xffe0))))
      (local.set $way_out (i32.const 0x60000000))
      (br_if $B2
        (i64.ne
          (i64.load offset=DATA_TLB.WRITE_TAG $l15)
          (i64.or (i64.and (i64.add $a0 (i64.const 15)) (i64.const -0x1000)) $data_context)))
      (local.set $l14 (i32.add (i32.wrap_i64 $a0) (i32.load offset=DATA_TLB.ADDEND $l15)))
      (i64.store32 offset=4 $l14 $a1)
      (local.set $a2 (i64.load32_s offset=4 $l14))
      (i64.store offset=8 $l14 $a2)
      (local.set $a3 (i64.load16_u offset=10 $l14))
      (local.set $l16 $ra)
      (drop (i64.add $page (i64.const 20)))
      (local.set $l17 (i64.and $l16 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 5)))
      (local.set $target $l17)
      (i64.store offset=a2 $hart $a2)
      (i64.store offset=a3 $hart $a3)
      (br $B1)
      (unreachable))
    (i64.store offset=a2 $hart $a2)
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
      (local.set $l16 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l16)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l18 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l18)
(local.set $l19 (i64.and $target (i64.const -0x1000)))
(local.set $l15 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l15) (i64.or $l19 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l20 (i32.load offset=FETCH_TLB.ADDEND $l15))
    (local.set $l21
      (i32.load16_u offset=SLOTS_REGION (i32.add $l20 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l21
      (then
        (return_call $env.region $hart $l19 $l20 $l21)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
