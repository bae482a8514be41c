;; What only the interpreter does ends a block; what stands behind it is a region of its own.
;;
;; entry:  addi a0,a0,1
;;         bne a0,a1,fence
;;         ecall
;; fence:  sfence.vma zero,zero
;;         addi a0,a0,2
;;         jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block
    (block $B2
      (local.set $a0 (i64.add $a0 (i64.const 1)))
      (local.set $l10 (i64.ne $a0 $a1))
      (if $l10
        (then
          (local.set $way_out (i32.const -0x7fdffffa))
          (br $B2))
        (else
          (local.set $way_out (i32.const -0x7fdffffc))
          (br $B2)))
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l11 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l11)
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
(local.set $l13 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l13)
(local.set $l14 (i64.and $target (i64.const -0x1000)))
(local.set $l10 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l10) (i64.or $l14 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l15 (i32.load offset=FETCH_TLB.ADDEND $l10))
    (local.set $l16
      (i32.load16_u offset=SLOTS_REGION (i32.add $l15 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l16
      (then
        (return_call $env.region $hart $l14 $l15 $l16)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
