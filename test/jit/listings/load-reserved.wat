;; LR and SC: the reservation is a physical address and what was read there.
;;
;; entry:  lr.d.aq a0,(a2)
;;         add a0,a0,a1
;;         sc.d.rl a3,a0,(a2)
;;         bne a3,zero,entry
;;         jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret_apart (i64.sub (i64.load offset=INSTRET $hart) (i64.mul $branches (i64.const 4))))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (loop $L3
        (local.set $l14 $a2)
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2 (i32.and (i32.wrap_i64 $l14) (i32.const 7)))
        (local.set $l15
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l14 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.READ_TAG $l15)
            (i64.or (i64.and (i64.add $l14 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (local.set $l16 (i32.add (i32.wrap_i64 $l14) (i32.load offset=DATA_TLB.ADDEND $l15)))
        (local.set $l17 (i64.load $l16))
        (i64.store offset=RESERVATION_ADDRESS $hart
          (i64.or
            (i64.shl
              (i64.extend_i32_u
                (i32.shr_u
                  (i32.load offset=DATA_TLB.PAGE
                    (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l14 (i64.const 7))) (i32.const 0xffe0))))
                  (i32.const 2)))
              (i64.const 12))
            (i64.and $l14 (i64.const 0xfff))))
        (i64.store offset=RESERVATION_VALUE $hart $l17)
        (local.set $a0 $l17)
        (local.set $a0 (i64.add $a0 $a1))
        (local.set $l17 $a2)
        (local.set $way_out (i32.const 0x60200004))
        (br_if $B2 (i32.and (i32.wrap_i64 $l17) (i32.const 7)))
        (local.set $l16
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l17 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60200004))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l16)
            (i64.or (i64.and (i64.add $l17 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (local.set $l15 (i32.add (i32.wrap_i64 $l17) (i32.load offset=DATA_TLB.ADDEND $l16)))
        (local.set $l18
          (i64.eq
            (i64.load offset=RESERVATION_ADDRESS $hart)
            (i64.or
              (i64.shl
                (i64.extend_i32_u
                  (i32.shr_u
                    (i32.load offset=DATA_TLB.PAGE
                      (i32.add $hart
                        (i32.and (i32.wrap_i64 (i64.shr_u $l17 (i64.const 7))) (i32.const 0xffe0))))
                    (i32.const 2)))
                (i64.const 12))
              (i64.and $l17 (i64.const 0xfff)))))
        (local.set $l19 (i32.and $l18 (i64.eq (i64.load $l15) (i64.load offset=RESERVATION_VALUE $hart))))
        (if $l19
          (then
            (i64.store $l15 $a0)))
        (i64.store offset=RESERVATION_ADDRESS $hart (i64.const -1))
        (local.set $a3 (i64.extend_i32_u (i32.eqz $l19)))
        (local.set $l19 (i64.ne $a3 (i64.const 0)))
        (if $l19
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000000))
                (br $B2)))
            (br $L3))
          (else
            (local.set $l8 (i64.load offset=ra $hart))
            (local.set $l17 $l8)
            (drop (i64.add $page (i64.const 20)))
            (local.set $l14 (i64.and $l17 (i64.const -2)))
            (local.set $instret_apart (i64.add $instret_apart (i64.const 1)))
            (local.set $target $l14)
            (i64.store offset=a0 $hart $a0)
            (i64.store offset=a3 $hart $a3)
            (br $B1))))
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a3 $hart $a3)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret_apart
      (i64.add $instret_apart
        (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l14 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l14 (i64.const 4))))
    (i64.store offset=BRANCHES $hart $l14)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l17 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l17 (i64.const 4))))
      (i64.store offset=BRANCHES $hart $l17)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l20 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l20 (i64.const 4))))
(i64.store offset=BRANCHES $hart $l20)
(local.set $l21 (i64.and $target (i64.const -0x1000)))
(local.set $l19 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l19) (i64.or $l21 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l18 (i32.load offset=FETCH_TLB.ADDEND $l19))
    (local.set $l15
      (i32.load16_u offset=SLOTS_REGION (i32.add $l18 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l15
      (then
        (return_call $env.region $hart $l21 $l18 $l15)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
