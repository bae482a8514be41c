;; A comparison that decides a branch, and a minimum.
;;
;; entry:  flt.d a0,fa0,fa1
;;         beq a0,zero,end
;;         fmin.d fa0,fa0,fa1
;; end:    jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $fa0 (i64.load offset=fa0 $hart))
(local.set $fa1 (i64.load offset=fa1 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(block
  (block $B1
    (block $B2
      (block $B3
        (local.set $l12 (i32.load offset=MSTATUS $hart))
        (local.set $way_out (i32.const -0x60000000))
        (br_if $B2 (i32.eqz (i32.and $l12 (i32.const 0x6000))))
        (i32.store offset=MSTATUS $hart (i32.or $l12 (i32.const 0x6000)))
        (local.set $l13 (f64.reinterpret_i64 $fa0))
        (local.set $l14 (f64.reinterpret_i64 $fa1))
        (block $B4
          (local.set $l16 $l13)
          (local.set $l17 $l14)
          (if (i32.and (f64.eq $l16 $l16) (f64.eq $l17 $l17))
            (then
              (local.set $l15 (i64.extend_i32_u (f64.lt $l16 $l17)))
              (br $B4)))
          (local.set $way_out (i32.const -0x60000000))
          (br $B2))
        (local.set $a0 $l15)
        (local.set $l12 (i64.eq $a0 (i64.const 0)))
        (if $l12
          (then
            (local.set $instret (i64.add $instret (i64.const 2)))
            (br $B3))
          (else
            (local.set $l18 (i32.load offset=MSTATUS $hart))
            (local.set $way_out (i32.const -0x5fdffffc))
            (br_if $B2 (i32.eqz (i32.and $l18 (i32.const 0x6000))))
            (i32.store offset=MSTATUS $hart (i32.or $l18 (i32.const 0x6000)))
            (local.set $l17 (f64.reinterpret_i64 $fa0))
            (local.set $l16 (f64.reinterpret_i64 $fa1))
            (block $B7
              (local.set $l14 $l17)
              (local.set $l13 $l16)
              (if (f64.eq $l14 $l13)
                (then
                  (local.set $l15 (i64.reinterpret_f64 (f64.min $l14 $l13)))
                  (br $B7)))
              (if (i32.and (f64.eq $l14 $l14) (f64.eq $l13 $l13))
                (then
                  (local.set $l15
                    (select (i64.reinterpret_f64 $l14) (i64.reinterpret_f64 $l13) (f64.lt $l14 $l13)))
                  (br $B7)))
              (local.set $way_out (i32.const -0x5fdffffc))
              (br $B2))
            (local.set $fa0 $l15)
            (local.set $instret (i64.add $instret (i64.const 3)))
            (br $B3))))
      (local.set $l7 (i64.load offset=ra $hart))
      (local.set $l15 $l7)
      (drop (i64.add $page (i64.const 16)))
      (local.set $l19 (i64.and $l15 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 1)))
      (local.set $target $l19)
      (i64.store offset=a0 $hart $a0)
      (i64.store offset=fa0 $hart $fa0)
      (br $B1)
      (unreachable))
    (i64.store offset=a0 $hart $a0)
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
      (local.set $l15 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l15)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l20 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l20)
(local.set $l21 (i64.and $target (i64.const -0x1000)))
(local.set $l12 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l12) (i64.or $l21 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l18 (i32.load offset=FETCH_TLB.ADDEND $l12))
    (local.set $l22
      (i32.load16_u offset=SLOTS_REGION (i32.add $l18 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l22
      (then
        (return_call $env.region $hart $l21 $l18 $l22)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
