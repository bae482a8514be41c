;; An interpreter whose operations each end with a jump to the next one: every operation can follow every other one. Ways to those before
;; lead through a dispatcher around everything.
;; Indirect jumps went to: add, swap, shift.
;;
;; entry:  lw a1,0(a0)
;;         addi a0,a0,4
;;         jalr zero,0(a1)
;; add:    add a2,a2,a3
;;         lw a1,0(a0)
;;         addi a0,a0,4
;;         jalr zero,0(a1)
;; swap:   xor a3,a3,a2
;;         lw a1,0(a0)
;;         addi a0,a0,4
;;         jalr zero,0(a1)
;; shift:  slli a2,a2,0x1
;;         lw a1,0(a0)
;;         addi a0,a0,4
;;         jalr zero,0(a1)

(local.set $a0 (i64.load offset=a0 $hart))
(local.set $a1 (i64.load offset=a1 $hart))
(local.set $a2 (i64.load offset=a2 $hart))
(local.set $a3 (i64.load offset=a3 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret_apart (i64.sub (i64.load offset=INSTRET $hart) (i64.mul $branches (i64.const 4))))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (loop $L3
        (block $B4
          (block $B5
            (block $B6
              (block $B7
                (br_table $B7 $B6 $B5 $B7 $l7))
              (local.set $l14 $a0)
              (local.set $l15
                (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l14 (i64.const 7))) (i32.const 0xffe0))))
              (local.set $way_out (i32.const 0x60000000))
              (br_if $B2
                (i64.ne
                  (i64.load offset=DATA_TLB.READ_TAG $l15)
                  (i64.or (i64.and (i64.add $l14 (i64.const 3)) (i64.const -0x1000)) $data_context)))
              (local.set $a1
                (i64.load32_s (i32.add (i32.wrap_i64 $l14) (i32.load offset=DATA_TLB.ADDEND $l15))))
              (local.set $a0 (i64.add $a0 (i64.const 4)))
              (local.set $l14 $a1)
              (drop (i64.add $page (i64.const 12)))
              (local.set $l16 (i64.and $l14 (i64.const -2)))
              (local.set $instret_apart (i64.add $instret_apart (i64.const -1)))
              (if (i64.eq $l16 (i64.add $page (i64.const 12)))
                (then
                  (local.set $left (i64.sub $left (i64.const 1)))
                  (if (i64.le_s $left (i64.const 0))
                    (then
                      (local.set $way_out (i32.const 0x40000006))
                      (br $B2)))
                  (br $B4)))
              (if (i64.eq $l16 (i64.add $page (i64.const 28)))
                (then
                  (local.set $left (i64.sub $left (i64.const 1)))
                  (if (i64.le_s $left (i64.const 0))
                    (then
                      (local.set $way_out (i32.const 0x4000000e))
                      (br $B2)))
                  (br $B5)))
              (if (i64.eq $l16 (i64.add $page (i64.const 44)))
                (then
                  (local.set $left (i64.sub $left (i64.const 1)))
                  (if (i64.le_s $left (i64.const 0))
                    (then
                      (local.set $way_out (i32.const 0x40000016))
                      (br $B2)))
                  (br $B6)))
              (local.set $target $l16)
              (i64.store offset=a0 $hart $a0)
              (i64.store offset=a1 $hart $a1)
              (i64.store offset=a2 $hart $a2)
              (i64.store offset=a3 $hart $a3)
              (br $B1))
            (loop $L14
              (local.set $a2 (i64.shl $a2 (i64.const 1)))
              (local.set $l16 $a0)
              (local.set $l15
                (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l16 (i64.const 7))) (i32.const 0xffe0))))
              (local.set $way_out (i32.const 0x60100018))
              (br_if $B2
                (i64.ne
                  (i64.load offset=DATA_TLB.READ_TAG $l15)
                  (i64.or (i64.and (i64.add $l16 (i64.const 3)) (i64.const -0x1000)) $data_context)))
              (local.set $a1
                (i64.load32_s (i32.add (i32.wrap_i64 $l16) (i32.load offset=DATA_TLB.ADDEND $l15))))
              (local.set $a0 (i64.add $a0 (i64.const 4)))
              (local.set $l16 $a1)
              (drop (i64.add $page (i64.const 60)))
              (local.set $l14 (i64.and $l16 (i64.const -2)))
              (if (i64.eq $l14 (i64.add $page (i64.const 12)))
                (then
                  (local.set $left (i64.sub $left (i64.const 1)))
                  (if (i64.le_s $left (i64.const 0))
                    (then
                      (local.set $way_out (i32.const 0x40000006))
                      (br $B2)))
                  (br $B4)))
              (if (i64.eq $l14 (i64.add $page (i64.const 28)))
                (then
                  (local.set $left (i64.sub $left (i64.const 1)))
                  (if (i64.le_s $left (i64.const 0))
                    (then
                      (local.set $way_out (i32.const 0x4000000e))
                      (br $B2)))
                  (br $B5)))
              (if (i64.eq $l14 (i64.add $page (i64.const 44)))
                (then
                  (local.set $left (i64.sub $left (i64.const 1)))
                  (if (i64.le_s $left (i64.const 0))
                    (then
                      (local.set $way_out (i32.const 0x40000016))
                      (br $B2)))
                  (br $L14)))
              (local.set $target $l14)
              (i64.store offset=a0 $hart $a0)
              (i64.store offset=a1 $hart $a1)
              (i64.store offset=a2 $hart $a2)
              (i64.store offset=a3 $hart $a3)
              (br $B1)))
          (loop $L21
            (local.set $a3 (i64.xor $a3 $a2))
            (local.set $l14 $a0)
            (local.set $l15
              (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l14 (i64.const 7))) (i32.const 0xffe0))))
            (local.set $way_out (i32.const 0x60100010))
            (br_if $B2
              (i64.ne
                (i64.load offset=DATA_TLB.READ_TAG $l15)
                (i64.or (i64.and (i64.add $l14 (i64.const 3)) (i64.const -0x1000)) $data_context)))
            (local.set $a1
              (i64.load32_s (i32.add (i32.wrap_i64 $l14) (i32.load offset=DATA_TLB.ADDEND $l15))))
            (local.set $a0 (i64.add $a0 (i64.const 4)))
            (local.set $l14 $a1)
            (drop (i64.add $page (i64.const 44)))
            (local.set $l16 (i64.and $l14 (i64.const -2)))
            (if (i64.eq $l16 (i64.add $page (i64.const 12)))
              (then
                (local.set $left (i64.sub $left (i64.const 1)))
                (if (i64.le_s $left (i64.const 0))
                  (then
                    (local.set $way_out (i32.const 0x40000006))
                    (br $B2)))
                (br $B4)))
            (if (i64.eq $l16 (i64.add $page (i64.const 28)))
              (then
                (local.set $left (i64.sub $left (i64.const 1)))
                (if (i64.le_s $left (i64.const 0))
                  (then
                    (local.set $way_out (i32.const 0x4000000e))
                    (br $B2)))
                (br $L21)))
            (if (i64.eq $l16 (i64.add $page (i64.const 44)))
              (then
                (local.set $left (i64.sub $left (i64.const 1)))
                (if (i64.le_s $left (i64.const 0))
                  (then
                    (local.set $way_out (i32.const 0x40000016))
                    (br $B2)))
                (local.set $l7 (i32.const 1))
                (br $L3)))
            (local.set $target $l16)
            (i64.store offset=a0 $hart $a0)
            (i64.store offset=a1 $hart $a1)
            (i64.store offset=a2 $hart $a2)
            (i64.store offset=a3 $hart $a3)
            (br $B1)))
        (loop $L28
          (local.set $a2 (i64.add $a2 $a3))
          (local.set $l16 $a0)
          (local.set $l15
            (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $l16 (i64.const 7))) (i32.const 0xffe0))))
          (local.set $way_out (i32.const 0x60100008))
          (br_if $B2
            (i64.ne
              (i64.load offset=DATA_TLB.READ_TAG $l15)
              (i64.or (i64.and (i64.add $l16 (i64.const 3)) (i64.const -0x1000)) $data_context)))
          (local.set $a1 (i64.load32_s (i32.add (i32.wrap_i64 $l16) (i32.load offset=DATA_TLB.ADDEND $l15))))
          (local.set $a0 (i64.add $a0 (i64.const 4)))
          (local.set $l16 $a1)
          (drop (i64.add $page (i64.const 28)))
          (local.set $l14 (i64.and $l16 (i64.const -2)))
          (if (i64.eq $l14 (i64.add $page (i64.const 12)))
            (then
              (local.set $left (i64.sub $left (i64.const 1)))
              (if (i64.le_s $left (i64.const 0))
                (then
                  (local.set $way_out (i32.const 0x40000006))
                  (br $B2)))
              (br $L28)))
          (if (i64.eq $l14 (i64.add $page (i64.const 28)))
            (then
              (local.set $left (i64.sub $left (i64.const 1)))
              (if (i64.le_s $left (i64.const 0))
                (then
                  (local.set $way_out (i32.const 0x4000000e))
                  (br $B2)))
              (local.set $l7 (i32.const 2))
              (br $L3)))
          (if (i64.eq $l14 (i64.add $page (i64.const 44)))
            (then
              (local.set $left (i64.sub $left (i64.const 1)))
              (if (i64.le_s $left (i64.const 0))
                (then
                  (local.set $way_out (i32.const 0x40000016))
                  (br $B2)))
              (local.set $l7 (i32.const 1))
              (br $L3)))
          (local.set $target $l14)
          (i64.store offset=a0 $hart $a0)
          (i64.store offset=a1 $hart $a1)
          (i64.store offset=a2 $hart $a2)
          (i64.store offset=a3 $hart $a3)
          (br $B1)))
      (unreachable))
    (i64.store offset=a0 $hart $a0)
    (i64.store offset=a1 $hart $a1)
    (i64.store offset=a2 $hart $a2)
    (i64.store offset=a3 $hart $a3)
    (local.set $target
      (i64.add $page (i64.extend_i32_s (i32.shr_s (i32.shl $way_out (i32.const 12)) (i32.const 11)))))
    (local.set $instret_apart
      (i64.add $instret_apart
        (i64.extend_i32_u (i32.and (i32.shr_u $way_out (i32.const 20)) (i32.const 511)))))
    (local.set $l14 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
    (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l14 (i64.const 4))))
    (i64.store offset=BRANCHES $hart $l14)
    (i64.store offset=PC $hart $target)
    (return (i32.shr_u $way_out (i32.const 29))))
  (local.set $left (i64.sub $left (i64.const 1)))
  (if (i64.le_s $left (i64.const 0))
    (then
      (local.set $l16 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l16 (i64.const 4))))
      (i64.store offset=BRANCHES $hart $l16)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l17 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart (i64.add $instret_apart (i64.mul $l17 (i64.const 4))))
(i64.store offset=BRANCHES $hart $l17)
(local.set $l18 (i64.and $target (i64.const -0x1000)))
(local.set $l15 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l15) (i64.or $l18 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l19 (i32.load offset=FETCH_TLB.ADDEND $l15))
    (local.set $l20
      (i32.load16_u offset=SLOTS_REGION (i32.add $l19 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l20
      (then
        (return_call $env.region $hart $l18 $l19 $l20)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
