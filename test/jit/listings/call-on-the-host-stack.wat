;; Calls out of the page that come back to the region: the callee has the registers meanwhile. The return goes to a caller, if one waits.
;; Without compact.
;;
;; entry:  addi sp,sp,-16
;;         sd ra,8(sp)
;;         jal ra,0x2000
;;         add s0,s0,a0
;;         jalr ra,16(a1)
;;         ld ra,8(sp)
;;         addi sp,sp,16
;;         jalr zero,0(ra)

(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $stop_branches (i64.load offset=STOP_BRANCHES $hart))
(local.set $instret (i64.load offset=INSTRET $hart))
(block $B0
  (block
    (block $B2
      (block $B3
        (local.set $sp (i64.load offset=sp $hart))
        (block $B4
          (local.set $sp (i64.add $sp (i64.const -16)))
          (local.set $ra (i64.load offset=ra $hart))
          (block $B5
            (local.set $l12 (i64.add $sp (i64.const 8)))
            (local.set $l13
              (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l12 (i64.const 7))) (i32.const 0xffe0))))
            (local.set $way_out (i32.const 0x3001004))
            (br_if $B5
              (i64.ne
                (i64.load offset=DATA_TLB.WRITE_TAG $l13)
                (i64.or
                  (i64.and (i64.add $l12 (i64.const 7)) (i64.const -0x1000))
                  (i64.load offset=DATA_CONTEXT $hart))))
            (i64.store (i32.add (i32.wrap_i64 $l12) (i32.load offset=DATA_TLB.ADDEND $l13)) $ra)
            (local.set $ra (i64.add $page (i64.const 12)))
            (local.set $instret (i64.add $instret (i64.const 3)))
            (local.set $target (i64.add $page (i64.const 0x2000)))
            (i64.store offset=ra $hart $ra)
            (i64.store offset=sp $hart $sp)
            (i64.store offset=INSTRET $hart $instret)
            (i64.store offset=BRANCHES $hart $branches)
            (local.set $way_out (call $env.call $hart $target (i64.add $page (i64.const 12))))
            (if (i32.ne $way_out (i32.const 8))
              (then
                (return $way_out)))
            (local.set $branches (i64.load offset=BRANCHES $hart))
            (local.set $stop_branches (i64.load offset=STOP_BRANCHES $hart))
            (local.set $instret (i64.load offset=INSTRET $hart))
            (local.set $ra (i64.load offset=ra $hart))
            (local.set $sp (i64.load offset=sp $hart))
            (local.set $s0 (i64.load offset=s0 $hart))
            (local.set $a0 (i64.load offset=a0 $hart))
            (block $B7
              (local.set $s0 (i64.add $s0 $a0))
              (local.set $a1 (i64.load offset=a1 $hart))
              (local.set $l12 (i64.add $a1 (i64.const 16)))
              (local.set $ra (i64.add $page (i64.const 20)))
              (local.set $l14 (i64.and $l12 (i64.const -2)))
              (local.set $instret (i64.add $instret (i64.const 2)))
              (local.set $target $l14)
              (i64.store offset=ra $hart $ra)
              (i64.store offset=s0 $hart $s0)
              (local.set $branches (i64.add $branches (i64.const 1)))
              (if (i64.ge_u $branches $stop_branches)
                (then
                  (i64.store offset=INSTRET $hart $instret)
                  (i64.store offset=BRANCHES $hart $branches)
                  (i64.store offset=PC $hart $target)
                  (return (i32.const 2))))
              (i64.store offset=INSTRET $hart $instret)
              (i64.store offset=BRANCHES $hart $branches)
              (local.set $way_out (call $env.call $hart $target (i64.add $page (i64.const 20))))
              (if (i32.ne $way_out (i32.const 8))
                (then
                  (return $way_out)))
              (local.set $branches (i64.load offset=BRANCHES $hart))
              (local.set $stop_branches (i64.load offset=STOP_BRANCHES $hart))
              (local.set $instret (i64.load offset=INSTRET $hart))
              (local.set $ra (i64.load offset=ra $hart))
              (local.set $sp (i64.load offset=sp $hart))
              (local.set $s0 (i64.load offset=s0 $hart))
              (local.set $l15 (i64.add $sp (i64.const 8)))
              (local.set $l13
                (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l15 (i64.const 7))) (i32.const 0xffe0))))
              (local.set $way_out (i32.const 0x3000014))
              (br_if $B7
                (i64.ne
                  (i64.load offset=DATA_TLB.READ_TAG $l13)
                  (i64.or
                    (i64.and (i64.add $l15 (i64.const 7)) (i64.const -0x1000))
                    (i64.load offset=DATA_CONTEXT $hart))))
              (local.set $ra (i64.load (i32.add (i32.wrap_i64 $l15) (i32.load offset=DATA_TLB.ADDEND $l13))))
              (local.set $sp (i64.add $sp (i64.const 16)))
              (local.set $l15 $ra)
              (drop (i64.add $page (i64.const 32)))
              (local.set $l16 (i64.and $l15 (i64.const -2)))
              (local.set $instret (i64.add $instret (i64.const 3)))
              (local.set $target $l16)
              (i64.store offset=ra $hart $ra)
              (i64.store offset=sp $hart $sp)
              (br $B2))
            (i64.store offset=s0 $hart $s0)
            (br $B5))
          (i64.store offset=ra $hart $ra)
          (br $B4))
        (i64.store offset=sp $hart $sp)
        (br $B3)
        (unreachable))
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
        (return (i32.const 2))))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $branches)
    (if (i64.eq (i64.load (i32.load offset=RETURNS_TOP $hart)) $target)
      (then
        (return (i32.const 8))))
    (br $B0))
  (local.set $branches (i64.add $branches (i64.const 1)))
  (if (i64.ge_u $branches $stop_branches)
    (then
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $branches)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $branches)
(local.set $l14 (i64.and $target (i64.const -0x1000)))
(local.set $l13 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.ne (i64.load offset=FETCH_TLB.READ_TAG $l13) (i64.or $l14 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (i64.store offset=PC $hart $target)
    (return (i32.const 0))))
(local.set $l17
  (i32.load16_u offset=SLOTS_REGION
    (i32.add (i32.load offset=FETCH_TLB.ADDEND $l13) (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
(if (i32.eqz $l17)
  (then
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(return_call $env.region $hart $l14 $l17)
(unreachable)
