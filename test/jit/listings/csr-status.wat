;; sstatus: interrupts and access to user pages are switched without the interpreter.
;;
;; entry:  csrrci a0,sstatus,2
;;         csrrs zero,sstatus,a1
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block $B2
      (local.set $way_out (i32.const -0x40000000))
      (br_if $B2 (i32.lt_u (i32.load offset=PRIVILEGE $hart) (i32.const 1)))
      (local.set $l11 (i64.load offset=MSTATUS $hart))
      (local.set $l12
        (i64.and
          (select
            (i64.or $l11 (i64.const -0x8000000000000000))
            $l11
            (i64.eq (i64.and $l11 (i64.const 0x6000)) (i64.const 0x6000)))
          (i64.const -0x7ffffffdfff39ede)))
      (local.set $l13 (i64.and $l12 (i64.const -3)))
      (local.set $l14 (i64.load offset=MSTATUS $hart))
      (local.set $l15 (i64.or (i64.and $l14 (i64.const -0xc6123)) (i64.and $l13 (i64.const 0xc6122))))
      (local.set $l16 (i64.xor $l14 $l15))
      (local.set $way_out (i32.const -0x40000000))
      (br_if $B2
        (i32.or
          (i32.ne (i32.load offset=PRIVILEGE $hart) (i32.const 1))
          (i64.ne (i64.and $l16 (i64.const -0x40123)) (i64.const 0))))
      (local.set $way_out (i32.const -0x40000000))
      (br_if $B2
        (i32.and
          (i64.ne (i64.and (i64.and $l16 $l15) (i64.const 2)) (i64.const 0))
          (i64.ne
            (i64.and
              (i64.or (i64.load offset=MIP_LINES $hart) (i64.load offset=MIP_SOFTWARE $hart))
              (i64.load offset=MIE $hart))
            (i64.const 0))))
      (i64.store offset=MSTATUS $hart $l15)
      (i64.store offset=DATA_CONTEXT $hart
        (i64.or
          (i64.and (i64.load offset=DATA_CONTEXT $hart) (i64.const -5))
          (i64.shl (i64.and (i64.shr_u $l15 (i64.const 18)) (i64.const 1)) (i64.const 2))))
      (local.set $a0 $l12)
      (local.set $way_out (i32.const -0x3feffffe))
      (br_if $B2 (i32.lt_u (i32.load offset=PRIVILEGE $hart) (i32.const 1)))
      (local.set $l16 (i64.load offset=MSTATUS $hart))
      (local.set $l15
        (i64.and
          (select
            (i64.or $l16 (i64.const -0x8000000000000000))
            $l16
            (i64.eq (i64.and $l16 (i64.const 0x6000)) (i64.const 0x6000)))
          (i64.const -0x7ffffffdfff39ede)))
      (local.set $l14 (i64.or $l15 $a1))
      (local.set $l13 (i64.load offset=MSTATUS $hart))
      (local.set $l12 (i64.or (i64.and $l13 (i64.const -0xc6123)) (i64.and $l14 (i64.const 0xc6122))))
      (local.set $l11 (i64.xor $l13 $l12))
      (local.set $way_out (i32.const -0x3feffffe))
      (br_if $B2
        (i32.or
          (i32.ne (i32.load offset=PRIVILEGE $hart) (i32.const 1))
          (i64.ne (i64.and $l11 (i64.const -0x40123)) (i64.const 0))))
      (local.set $way_out (i32.const -0x3feffffe))
      (br_if $B2
        (i32.and
          (i64.ne (i64.and (i64.and $l11 $l12) (i64.const 2)) (i64.const 0))
          (i64.ne
            (i64.and
              (i64.or (i64.load offset=MIP_LINES $hart) (i64.load offset=MIP_SOFTWARE $hart))
              (i64.load offset=MIE $hart))
            (i64.const 0))))
      (i64.store offset=MSTATUS $hart $l12)
      (i64.store offset=DATA_CONTEXT $hart
        (i64.or
          (i64.and (i64.load offset=DATA_CONTEXT $hart) (i64.const -5))
          (i64.shl (i64.and (i64.shr_u $l12 (i64.const 18)) (i64.const 1)) (i64.const 2))))
      (drop $l15)
      (local.set $l11 $ra)
      (drop (i64.add $page (i64.const 12)))
      (local.set $l12 (i64.and $l11 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 3)))
      (local.set $target $l12)
      (i64.store offset=a0 $hart $a0)
      (br $B1)
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l12 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l12)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l11 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l11)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l13 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l13)
(local.set $l14 (i64.and $target (i64.const -0x1000)))
(local.set $l17 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l17) (i64.or $l14 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l18 (i32.load offset=FETCH_TLB.ADDEND $l17))
    (local.set $l19
      (i32.load16_u offset=SLOTS_REGION (i32.add $l18 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l19
      (then
        (return_call $env.region $hart $l14 $l18 $l19)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
