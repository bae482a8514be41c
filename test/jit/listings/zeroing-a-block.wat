;; cbo.zero: eight stores to 64 aligned bytes.
;;
;; entry:  cbo.zero (a0)
;;         addi a0,a0,64
;;         bne a0,a1,entry
;;         jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret_apart (i64.sub (i64.load offset=INSTRET $hart) (i64.mul $branches (i64.const 3))))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (loop $L3
        (local.set $l12 (i32.load offset=PRIVILEGE $hart))
        (local.set $way_out (i32.const -0x40000000))
        (br_if $B2
          (i32.or
            (i32.and
              (i64.eqz (i64.and (i64.load offset=MENVCFG $hart) (i64.const 128)))
              (i32.lt_u $l12 (i32.const 3)))
            (i32.and (i64.eqz (i64.and (i64.load offset=SENVCFG $hart) (i64.const 128))) (i32.eqz $l12))))
        (local.set $l13 (i64.and $a0 (i64.const -64)))
        (local.set $l14 $l13)
        (local.set $l15
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l14 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l15)
            (i64.or (i64.and (i64.add $l14 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (i64.store (i32.add (i32.wrap_i64 $l14) (i32.load offset=DATA_TLB.ADDEND $l15)) (i64.const 0))
        (local.set $l16 (i64.add $l13 (i64.const 8)))
        (local.set $l17
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l16 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l17)
            (i64.or (i64.and (i64.add $l16 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (i64.store (i32.add (i32.wrap_i64 $l16) (i32.load offset=DATA_TLB.ADDEND $l17)) (i64.const 0))
        (local.set $l18 (i64.add $l13 (i64.const 16)))
        (local.set $l19
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l18 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l19)
            (i64.or (i64.and (i64.add $l18 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (i64.store (i32.add (i32.wrap_i64 $l18) (i32.load offset=DATA_TLB.ADDEND $l19)) (i64.const 0))
        (local.set $l20 (i64.add $l13 (i64.const 24)))
        (local.set $l21
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l20 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l21)
            (i64.or (i64.and (i64.add $l20 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (i64.store (i32.add (i32.wrap_i64 $l20) (i32.load offset=DATA_TLB.ADDEND $l21)) (i64.const 0))
        (local.set $l22 (i64.add $l13 (i64.const 32)))
        (local.set $l23
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l22 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l23)
            (i64.or (i64.and (i64.add $l22 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (i64.store (i32.add (i32.wrap_i64 $l22) (i32.load offset=DATA_TLB.ADDEND $l23)) (i64.const 0))
        (local.set $l24 (i64.add $l13 (i64.const 40)))
        (local.set $l25
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l24 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l25)
            (i64.or (i64.and (i64.add $l24 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (i64.store (i32.add (i32.wrap_i64 $l24) (i32.load offset=DATA_TLB.ADDEND $l25)) (i64.const 0))
        (local.set $l26 (i64.add $l13 (i64.const 48)))
        (local.set $l27
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l26 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l27)
            (i64.or (i64.and (i64.add $l26 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (i64.store (i32.add (i32.wrap_i64 $l26) (i32.load offset=DATA_TLB.ADDEND $l27)) (i64.const 0))
        (local.set $l28 (i64.add $l13 (i64.const 56)))
        (local.set $l29
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l28 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60000000))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.WRITE_TAG $l29)
            (i64.or (i64.and (i64.add $l28 (i64.const 7)) (i64.const -0x1000)) $data_context)))
        (i64.store (i32.add (i32.wrap_i64 $l28) (i32.load offset=DATA_TLB.ADDEND $l29)) (i64.const 0))
        (local.set $a0 (i64.add $a0 (i64.const 64)))
        (local.set $l29 (i64.ne $a0 $a1))
        (if $l29
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000000))
                (br $B2)))
            (br $L3))
          (else
            (local.set $l8 (i64.load offset=ra $hart))
            (local.set $l28 $l8)
            (drop (i64.add $page (i64.const 16)))
            (local.set $l26 (i64.and $l28 (i64.const -2)))
            (local.set $instret_apart (i64.add $instret_apart (i64.const 1)))
            (local.set $target $l26)
            (i64.store offset=a0 $hart $a0)
            (br $B1))))
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret_apart
      (i64.add $instret_apart
        (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l26 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l26 (i64.const 3))))
    (i64.store offset=BRANCHES $hart $l26)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l28 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l28 (i64.const 3))))
      (i64.store offset=BRANCHES $hart $l28)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l24 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l24 (i64.const 3))))
(i64.store offset=BRANCHES $hart $l24)
(local.set $l22 (i64.and $target (i64.const -0x1000)))
(local.set $l29 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l29) (i64.or $l22 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l27 (i32.load offset=FETCH_TLB.ADDEND $l29))
    (local.set $l25
      (i32.load16_u offset=SLOTS_REGION (i32.add $l27 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l25
      (then
        (return_call $env.region $hart $l22 $l27 $l25)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
