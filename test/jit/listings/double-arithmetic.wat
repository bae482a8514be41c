;; Addition and multiplication where the host gives result and flags; FS is looked at once in a block.
;;
;; entry:  fadd.d fa0,fa0,fa1
;;         fmul.d fa0,fa0,fa2
;;         jalr zero,0(ra)

(local.set $ra (i64.load offset=ra $hart))
(local.set $fa0 (i64.load offset=fa0 $hart))
(local.set $fa1 (i64.load offset=fa1 $hart))
(local.set $fa2 (i64.load offset=fa2 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block $B2
      (local.set $l12 (i32.load offset=MSTATUS $hart))
      (local.set $way_out (i32.const -0x60000000))
      (br_if $B2 (i32.eqz (i32.and $l12 (i32.const 0x6000))))
      (i32.store offset=MSTATUS $hart (i32.or $l12 (i32.const 0x6000)))
      (local.set $l13 (i32.load offset=FRM $hart))
      (local.set $way_out (i32.const -0x60000000))
      (br_if $B2 (i32.gt_u $l13 (i32.const 4)))
      (local.set $l14 $l13)
      (block $B3
        (if (i32.eqz $l14)
          (then
            (local.set $l16 (f64.reinterpret_i64 $fa0))
            (local.set $l17 (f64.reinterpret_i64 $fa1))
            (local.set $l18 (f64.add $l16 $l17))
            (if (f64.lt (f64.abs $l18) (f64.const inf))
              (then
                (if (i32.and (i32.load offset=FFLAGS $hart) (i32.const 1))
                  (then
                    (local.set $l15 (i64.reinterpret_f64 $l18))
                    (br $B3)))
                (local.set $l19 (f64.sub $l18 $l16))
                (if
                  (f64.eq (f64.add (f64.sub $l16 (f64.sub $l18 $l19)) (f64.sub $l17 $l19)) (f64.const 0x0p+0))
                  (then
                    (local.set $l15 (i64.reinterpret_f64 $l18))
                    (br $B3)))))))
        (local.set $way_out (i32.const -0x60000000))
        (br $B2))
      (local.set $fa0 $l15)
      (local.set $l14 (i32.load offset=FRM $hart))
      (local.set $way_out (i32.const -0x5feffffe))
      (br_if $B2 (i32.gt_u $l14 (i32.const 4)))
      (local.set $l13 $l14)
      (block $B8
        (if (i32.eqz $l13)
          (then
            (local.set $l19 (f64.reinterpret_i64 $fa0))
            (local.set $l18 (f64.reinterpret_i64 $fa2))
            (local.set $l17 (f64.mul $l19 $l18))
            (if
              (i32.and (f64.gt (f64.abs $l17) (f64.const 0x1p-1022)) (f64.lt (f64.abs $l17) (f64.const inf)))
              (then
                (if (i32.and (i32.load offset=FFLAGS $hart) (i32.const 1))
                  (then
                    (local.set $l15 (i64.reinterpret_f64 $l17))
                    (br $B8)))
                (local.set $l20
                  (i64.mul
                    (i64.or
                      (i64.and (i64.reinterpret_f64 $l19) (i64.const 0xfffffffffffff))
                      (i64.const 0x10000000000000))
                    (i64.or
                      (i64.and (i64.reinterpret_f64 $l18) (i64.const 0xfffffffffffff))
                      (i64.const 0x10000000000000))))
                (if
                  (i32.or
                    (i64.eqz (i64.shl $l20 (i64.const 11)))
                    (i32.and
                      (i64.eqz (i64.shl $l20 (i64.const 12)))
                      (i64.eq
                        (i64.and (i64.shr_u (i64.reinterpret_f64 $l17) (i64.const 52)) (i64.const 0x7ff))
                        (i64.sub
                          (i64.add
                            (i64.and (i64.shr_u (i64.reinterpret_f64 $l19) (i64.const 52)) (i64.const 0x7ff))
                            (i64.and (i64.shr_u (i64.reinterpret_f64 $l18) (i64.const 52)) (i64.const 0x7ff)))
                          (i64.const 0x3ff)))))
                  (then
                    (local.set $l15 (i64.reinterpret_f64 $l17))
                    (br $B8))))
              (else
                (if
                  (i32.and
                    (f64.eq $l17 (f64.const 0x0p+0))
                    (i32.or (f64.eq $l19 (f64.const 0x0p+0)) (f64.eq $l18 (f64.const 0x0p+0))))
                  (then
                    (local.set $l15 (i64.reinterpret_f64 $l17))
                    (br $B8)))))))
        (local.set $way_out (i32.const -0x5feffffe))
        (br $B2))
      (local.set $fa0 $l15)
      (local.set $l20 $ra)
      (drop (i64.add $page (i64.const 12)))
      (local.set $l15 (i64.and $l20 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 3)))
      (local.set $target $l15)
      (i64.store offset=fa0 $hart $fa0)
      (br $B1)
      (unreachable))
    (i64.store offset=fa0 $hart $fa0)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l15 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l15)
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
(local.set $l21 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l21)
(local.set $l22 (i64.and $target (i64.const -0x1000)))
(local.set $l13 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l13) (i64.or $l22 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l14 (i32.load offset=FETCH_TLB.ADDEND $l13))
    (local.set $l12
      (i32.load16_u offset=SLOTS_REGION (i32.add $l14 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l12
      (then
        (return_call $env.region $hart $l22 $l14 $l12)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
