;; Between integers and floating point, and between the formats.
;;
;; entry:  fcvt.d.w fa0,a0
;;         fcvt.s.l fa1,a1
;;         fcvt.w.d a2,fa0,rtz
;;         fcvt.d.s fa2,fa1
;;         fcvt.s.d fa3,fa2
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $fa0 (i64.load offset=fa0 $hart))
(local.set $fa1 (i64.load offset=fa1 $hart))
(local.set $fa2 (i64.load offset=fa2 $hart))
(local.set $fa3 (i64.load offset=fa3 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block $B2
      (local.set $l16 (i32.load offset=MSTATUS $hart))
      (local.set $way_out (i32.const -0x60000000))
      (br_if $B2 (i32.eqz (i32.and $l16 (i32.const 0x6000))))
      (i32.store offset=MSTATUS $hart (i32.or $l16 (i32.const 0x6000)))
      (local.set $l17 (i32.const 0))
      (local.set $l18 $a0)
      (block $B3
        (local.set $l20 (i64.extend32_s $l18))
        (local.set $l19 (i64.reinterpret_f64 (f64.convert_i64_s $l20)))
        (br $B3)
        (local.set $way_out (i32.const -0x60000000))
        (br $B2))
      (local.set $fa0 $l19)
      (local.set $l17 (i32.load offset=FRM $hart))
      (local.set $way_out (i32.const -0x5feffffe))
      (br_if $B2 (i32.gt_u $l17 (i32.const 4)))
      (local.set $l16 $l17)
      (local.set $l20 $a1)
      (block $B4
        (local.set $l19 $l20)
        (if
          (i32.or
            (i64.le_u (i64.add $l19 (i64.const 0x1000000)) (i64.const 0x2000000))
            (i32.and (i32.eqz $l16) (i32.and (i32.load offset=FFLAGS $hart) (i32.const 1))))
          (then
            (local.set $l21 (i32.reinterpret_f32 (f32.convert_i64_s $l19)))
            (br $B4)))
        (local.set $way_out (i32.const -0x5feffffe))
        (br $B2))
      (local.set $fa1 (i64.or (i64.extend_i32_u $l21) (i64.const -0x100000000)))
      (local.set $l21 (i32.const 1))
      (local.set $l22 (f64.reinterpret_i64 $fa0))
      (block $B6
        (local.set $l23 $l22)
        (if (i32.ne $l21 (i32.const 4))
          (then
            (local.set $l24
              (if (result f64) (i32.eq $l21 (i32.const 1))
                (then
                  (f64.trunc $l23))
                (else
                  (if (result f64) (i32.eqz $l21)
                    (then
                      (f64.nearest $l23))
                    (else
                      (if (result f64) (i32.eq $l21 (i32.const 2))
                        (then
                          (f64.floor $l23))
                        (else
                          (f64.ceil $l23))))))))
            (if (i32.and (f64.ge $l24 (f64.const -0x1p+31)) (f64.lt $l24 (f64.const 0x1p+31)))
              (then
                (if (f64.ne $l24 $l23)
                  (then
                    (i32.store offset=FFLAGS $hart (i32.or (i32.load offset=FFLAGS $hart) (i32.const 1)))))
                (local.set $l19 (i64.trunc_f64_s $l24))
                (br $B6)))))
        (local.set $way_out (i32.const -0x5fdffffc))
        (br $B2))
      (local.set $a2 $l19)
      (drop (i32.const 0))
      (local.set $l19 $fa1)
      (local.set $l25
        (f32.reinterpret_i32
          (select (i32.wrap_i64 $l19) (i32.const 0x7fc00000) (i64.ge_u $l19 (i64.const -0x100000000)))))
      (block $B13
        (if (f32.eq $l25 $l25)
          (then
            (local.set $l20 (i64.reinterpret_f64 (f64.promote_f32 $l25)))
            (br $B13)))
        (local.set $way_out (i32.const -0x5fcffffa))
        (br $B2))
      (local.set $fa2 $l20)
      (local.set $l21 (i32.load offset=FRM $hart))
      (local.set $way_out (i32.const -0x5fbffff8))
      (br_if $B2 (i32.gt_u $l21 (i32.const 4)))
      (local.set $l16 $l21)
      (local.set $l24 (f64.reinterpret_i64 $fa2))
      (block $B15
        (local.set $l25 (f32.demote_f64 $l24))
        (if
          (i32.and
            (i32.and (i32.eqz $l16) (i32.and (i32.load offset=FFLAGS $hart) (i32.const 1)))
            (i32.and (f32.gt (f32.abs $l25) (f32.const 0x1p-126)) (f32.lt (f32.abs $l25) (f32.const inf))))
          (then
            (local.set $l17 (i32.reinterpret_f32 $l25))
            (br $B15)))
        (if (f64.eq (f64.promote_f32 $l25) $l24)
          (then
            (local.set $l17 (i32.reinterpret_f32 $l25))
            (br $B15)))
        (local.set $way_out (i32.const -0x5fbffff8))
        (br $B2))
      (local.set $fa3 (i64.or (i64.extend_i32_u $l17) (i64.const -0x100000000)))
      (local.set $l20 $ra)
      (drop (i64.add $page (i64.const 24)))
      (local.set $l19 (i64.and $l20 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 6)))
      (local.set $target $l19)
      (i64.store offset=a2 $hart $a2)
      (i64.store offset=fa0 $hart $fa0)
      (i64.store offset=fa1 $hart $fa1)
      (i64.store offset=fa2 $hart $fa2)
      (i64.store offset=fa3 $hart $fa3)
      (br $B1)
      (unreachable))
    (i64.store offset=a2 $hart $a2)
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
(local.set $l18 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l18)
(local.set $l26 (i64.and $target (i64.const -0x1000)))
(local.set $l17 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l17) (i64.or $l26 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l16 (i32.load offset=FETCH_TLB.ADDEND $l17))
    (local.set $l21
      (i32.load16_u offset=SLOTS_REGION (i32.add $l16 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l21
      (then
        (return_call $env.region $hart $l26 $l16 $l21)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
