;; An indirect jump with known targets: compared one after the other, the hottest first, then looked up.
;; Indirect jumps went to: two, one, three.
;;
;; entry:  sh2add a1,a0,a2
;;         lw a1,0(a1)
;;         add a1,a1,a2
;;         jalr zero,0(a1)
;; one:    addi a3,a3,1
;;         jal zero,entry
;; two:    addi a3,a3,2
;;         jal zero,entry
;; three:  addi a3,a3,3
;;         jalr zero,0(ra)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (loop $L3
        (local.set $a1 (i64.add (i64.shl $a0 (i64.const 2)) $a2))
        (local.set $l14 $a1)
        (local.set $l15
          (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l14 (i64.const 7))) (i32.const 0xffe0))))
        (local.set $way_out (i32.const 0x60100002))
        (br_if $B2
          (i64.ne
            (i64.load offset=DATA_TLB.READ_TAG $l15)
            (i64.or (i64.and (i64.add $l14 (i64.const 3)) (i64.const -0x1000)) $data_context)))
        (local.set $a1 (i64.load32_s (i32.add (i32.wrap_i64 $l14) (i32.load offset=DATA_TLB.ADDEND $l15))))
        (local.set $a1 (i64.add $a1 $a2))
        (local.set $l14 $a1)
        (drop (i64.add $page (i64.const 16)))
        (local.set $l16 (i64.and $l14 (i64.const -2)))
        (local.set $instret (i64.add $instret (i64.const 4)))
        (if (i64.eq $l16 (i64.add $page (i64.const 24)))
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x4000000c))
                (br $B2)))
            (local.set $a3 (i64.add $a3 (i64.const 2)))
            (drop (i64.add $page (i64.const 32)))
            (local.set $instret (i64.add $instret (i64.const 2)))
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000000))
                (br $B2)))
            (br $L3)))
        (if (i64.eq $l16 (i64.add $page (i64.const 16)))
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000008))
                (br $B2)))
            (local.set $a3 (i64.add $a3 (i64.const 1)))
            (drop (i64.add $page (i64.const 24)))
            (local.set $instret (i64.add $instret (i64.const 2)))
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000000))
                (br $B2)))
            (br $L3)))
        (if (i64.eq $l16 (i64.add $page (i64.const 32)))
          (then
            (local.set $left (i64.sub $left (i64.const 1)))
            (if (i64.le_s $left (i64.const 0))
              (then
                (local.set $way_out (i32.const 0x40000010))
                (br $B2)))
            (local.set $l8 (i64.load offset=ra $hart))
            (local.set $a3 (i64.add $a3 (i64.const 3)))
            (local.set $l17 $l8)
            (drop (i64.add $page (i64.const 40)))
            (local.set $l18 (i64.and $l17 (i64.const -2)))
            (local.set $instret (i64.add $instret (i64.const 2)))
            (local.set $target $l18)
            (i64.store offset=a1 $hart $a1)
            (i64.store offset=a3 $hart $a3)
            (br $B1)))
        (local.set $target $l16)
        (i64.store offset=a1 $hart $a1)
        (i64.store offset=a3 $hart $a3)
        (br $B1))
      (unreachable))
    (i64.store offset=a1 $hart $a1)
    (i64.store offset=a3 $hart $a3)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret
      (i64.add $instret (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l16 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart $instret)
    (i64.store offset=BRANCHES $hart $l16)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l14 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l14)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l18 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l18)
(local.set $l17 (i64.and $target (i64.const -0x1000)))
(local.set $l15 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l15) (i64.or $l17 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l19 (i32.load offset=FETCH_TLB.ADDEND $l15))
    (local.set $l20
      (i32.load16_u offset=SLOTS_REGION (i32.add $l19 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l20
      (then
        (return_call $env.region $hart $l17 $l19 $l20)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
