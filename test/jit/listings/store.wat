;; A store alone. One byte cannot lie in two pages.
;;
;; entry:  sb a0,-1(a1)
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (local.set $l12 (i64.add $a1 (i64.const -1)))
      (local.set $l13
        (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l12 (i64.const 7))) (i32.const 0xffe0))))
      (local.set $way_out (i32.const 0x60000000))
      (br_if $B2
        (i64.ne
          (i64.load offset=DATA_TLB.WRITE_TAG $l13)
          (i64.or (i64.and $l12 (i64.const -0x1000)) $data_context)))
      (i64.store8 (i32.add (i32.wrap_i64 $l12) (i32.load offset=DATA_TLB.ADDEND $l13)) $a0)
      (local.set $l12 $ra)
      (drop (i64.add $page (i64.const 8)))
      (local.set $l14 (i64.and $l12 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 2)))
      (local.set $target $l14)
      (br $B1)
      (unreachable))
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l14 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l14)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l12 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l12)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l15 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l15)
(local.set $l16 (i64.and $target (i64.const -0x1000)))
(local.set $l13 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l13) (i64.or $l16 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l17 (i32.load offset=FETCH_TLB.ADDEND $l13))
    (local.set $l18
      (i32.load16_u offset=SLOTS_REGION (i32.add $l17 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l18
      (then
        (return_call $env.region $hart $l16 $l17 $l18)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
