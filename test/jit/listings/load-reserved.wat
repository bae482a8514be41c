;; LR and SC: the reservation is a physical address and what was read there.
;;
;; entry:  lr.d.aq a0,(a2)
;;         add a0,a0,a1
;;         sc.d.rl a3,a0,(a2)
;;         bne a3,zero,entry
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $stop_branches (i64.load offset=STOP_BRANCHES $hart))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block $B2
      (loop $L3
        (local.set $l12 $a2)
        (local.set $way_out (i32.const 0x3000000))
        (br_if $B2 (i32.and (i32.wrap_i64 $l12) (i32.const 7)))
        (local.set $l13
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l12 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x3000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.READ_TAG $l13)
            (i64.or
              (i64.and (i64.add $l12 (i64.const 7)) (i64.const -0x1000))
              (i64.load offset=DATA_CONTEXT $hart))))
        (local.set $l14 (i32.add (i32.wrap_i64 $l12) (i32.load offset=DATA_TLB.ADDEND $l13)))
        (local.set $l15 (i64.load $l14))
        (i64.store offset=RESERVATION_ADDRESS $hart
          (i64.or
            (i64.shl
              (i64.extend_i32_u
                (i32.shr_u
                  (i32.load offset=DATA_TLB.PAGE
                    (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l12 (i64.const 7))) (i32.const 0xffe0))))
                  (i32.const 2)))
              (i64.const 12))
            (i64.and $l12 (i64.const 0xfff))))
        (i64.store offset=RESERVATION_VALUE $hart $l15)
        (local.set $a0 $l15)
        (local.set $a0 (i64.add $a0 $a1))
        (local.set $l15 $a2)
        (local.set $way_out (i32.const 0x3002008))
        (br_if $B2 (i32.and (i32.wrap_i64 $l15) (i32.const 7)))
        (local.set $l14
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l15 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x3002008))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l14)
            (i64.or
              (i64.and (i64.add $l15 (i64.const 7)) (i64.const -0x1000))
              (i64.load offset=DATA_CONTEXT $hart))))
        (local.set $l13 (i32.add (i32.wrap_i64 $l15) (i32.load offset=DATA_TLB.ADDEND $l14)))
        (local.set $l16
          (i64.eq
            (i64.load offset=RESERVATION_ADDRESS $hart)
            (i64.or
              (i64.shl
                (i64.extend_i32_u
                  (i32.shr_u
                    (i32.load offset=DATA_TLB.PAGE
                      (i32.add $hart
                        (i32.and (i32.wrap_i64 (i64.shr_u $l15 (i64.const 7))) (i32.const 0xffe0))))
                    (i32.const 2)))
                (i64.const 12))
              (i64.and $l15 (i64.const 0xfff)))))
        (local.set $l17 (i32.and $l16 (i64.eq (i64.load $l13) (i64.load offset=RESERVATION_VALUE $hart))))
        (if $l17
          (then
            (i64.store $l13 $a0)))
        (i64.store offset=RESERVATION_ADDRESS $hart (i64.const -1))
        (local.set $a3 (i64.extend_i32_u (i32.eqz $l17)))
        (local.set $l17 (i64.ne $a3 (i64.const 0)))
        (local.set $instret (i64.add $instret (i64.const 4)))
        (if $l17
          (then
            (local.set $branches (i64.add $branches (i64.const 1)))
            (if (i64.ge_u $branches $stop_branches)
              (then
                (local.set $way_out (i32.const 0x2000000))
                (br $B2)))
            (br $L3))
          (else
            (local.set $l15 $ra)
            (drop (i64.add $page (i64.const 20)))
            (local.set $l12 (i64.and $l15 (i64.const -2)))
            (local.set $instret (i64.add $instret (i64.const 1)))
            (local.set $target $l12)
            (i64.store offset=a0 $hart $a0)
            (i64.store offset=a3 $hart $a3)
            (br $B1))))
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a3 $hart $a3)
    (i64.store offset=INSTRET $hart
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 12)) (i32.const 0xfff)))))
    (i64.store offset=BRANCHES $hart $branches)
    (i64.store offset=PC $hart (i64.add $page (i64.extend_i32_u (i32.and $way_out (i32.const 0xfff)))))
    (return (i32.shr_u $way_out (i32.const 24))))
  (local.set $branches (i64.add $branches (i64.const 1)))
  (if (i64.ge_u $branches $stop_branches)
    (then
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $branches)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $branches)
(local.set $l12 (i64.and $target (i64.const -0x1000)))
(local.set $l17 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l17) (i64.or $l12 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l16
      (i32.load16_u offset=SLOTS_REGION
        (i32.add (i32.load offset=FETCH_TLB.ADDEND $l17) (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l16
      (then
        (return_call $env.region $hart $l12 $l16)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
