;; One rounding of a product and a sum.
;;
;; entry:  fmadd.d fa0,fa1,fa2,fa3
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
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
      (local.set $l13 (i32.load offset=MSTATUS $hart))
      (local.set $way_out (i32.const -0x60000000))
      (br_if $B2 (i32.eqz (i32.and $l13 (i32.const 0x6000))))
      (i32.store offset=MSTATUS $hart (i32.or $l13 (i32.const 0x6000)))
      (local.set $l14 (i32.load offset=FRM $hart))
      (local.set $way_out (i32.const -0x60000000))
      (br_if $B2 (i32.gt_u $l14 (i32.const 4)))
      (local.set $l15 $l14)
      (local.set $l16 (f64.reinterpret_i64 $fa1))
      (local.set $l17 (f64.reinterpret_i64 $fa2))
      (local.set $l18 (f64.reinterpret_i64 $fa3))
      (block $B3
        (if
          (i32.and
            (i32.and
              (i32.eqz $l15)
              (i32.and
                (f64.ge (f64.abs $l16) (f64.const 0x1p-480))
                (f64.le (f64.abs $l16) (f64.const 0x1p+480))))
            (i32.and
              (f64.ge (f64.abs $l17) (f64.const 0x1p-480))
              (f64.le (f64.abs $l17) (f64.const 0x1p+480))))
          (then
            (local.set $l20 (f64.mul $l16 $l17))
            (local.set $l21 (f64.mul $l16 (f64.const 0x1.0000002p+27)))
            (local.set $l22 (f64.sub $l21 (f64.sub $l21 $l16)))
            (local.set $l23 (f64.sub $l16 $l22))
            (local.set $l24 (f64.mul $l17 (f64.const 0x1.0000002p+27)))
            (local.set $l25 (f64.sub $l24 (f64.sub $l24 $l17)))
            (local.set $l26 (f64.sub $l17 $l25))
            (local.set $l27
              (f64.add
                (f64.add (f64.add (f64.sub (f64.mul $l22 $l25) $l20) (f64.mul $l22 $l26)) (f64.mul $l23 $l25))
                (f64.mul $l23 $l26)))
            (local.set $l28 (f64.add $l18 $l27))
            (local.set $l29 (f64.sub $l28 $l18))
            (local.set $l30 (f64.add (f64.sub $l18 (f64.sub $l28 $l29)) (f64.sub $l27 $l29)))
            (local.set $l31 (f64.add $l20 $l28))
            (local.set $l32 (f64.sub $l31 $l20))
            (local.set $l33 (f64.add (f64.sub $l20 (f64.sub $l31 $l32)) (f64.sub $l28 $l32)))
            (local.set $l34 (f64.add $l30 $l33))
            (local.set $l35 (f64.sub $l34 $l30))
            (local.set $l36 (f64.add (f64.sub $l30 (f64.sub $l34 $l35)) (f64.sub $l33 $l35)))
            (if (f64.ne $l36 (f64.const 0x0p+0))
              (then
                (local.set $l37 (i64.reinterpret_f64 $l34))
                (local.set $l34
                  (f64.reinterpret_i64
                    (select $l37
                      (i64.add $l37
                        (select
                          (i64.const -1)
                          (i64.const 1)
                          (i64.lt_s (i64.xor $l37 (i64.reinterpret_f64 $l36)) (i64.const 0))))
                      (i32.and (i32.wrap_i64 $l37) (i32.const 1)))))))
            (local.set $l38 (f64.add $l31 $l34))
            (if
              (i32.and
                (i32.and
                  (f64.gt (f64.abs $l38) (f64.const 0x1p-1022))
                  (f64.lt (f64.abs $l38) (f64.const inf)))
                (i32.or
                  (i32.and (i32.load offset=FFLAGS $hart) (i32.const 1))
                  (f64.eq $l34 (f64.const 0x0p+0))))
              (then
                (local.set $l19 (i64.reinterpret_f64 $l38))
                (br $B3)))))
        (local.set $way_out (i32.const -0x60000000))
        (br $B2))
      (local.set $fa0 $l19)
      (local.set $l37 $ra)
      (drop (i64.add $page (i64.const 8)))
      (local.set $l19 (i64.and $l37 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 2)))
      (local.set $target $l19)
      (i64.store offset=fa0 $hart $fa0)
      (br $B1)
      (unreachable))
    (i64.store offset=fa0 $hart $fa0)
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
      (local.set $l37 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l37)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l39 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l39)
(local.set $l40 (i64.and $target (i64.const -0x1000)))
(local.set $l15 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l15) (i64.or $l40 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l14 (i32.load offset=FETCH_TLB.ADDEND $l15))
    (local.set $l13
      (i32.load16_u offset=SLOTS_REGION (i32.add $l14 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l13
      (then
        (return_call $env.region $hart $l40 $l14 $l13)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
