;; A function saves registers on the stack and takes them back.
;;
;; entry:  c.addi16sp sp,-32
;;         c.sdsp ra,24(sp)
;;         c.sdsp s0,16(sp)
;;         c.addi4spn s0,sp,32
;;         c.li a0,0
;;         c.ldsp ra,24(sp)
;;         c.ldsp s0,16(sp)
;;         c.addi16sp sp,32
;;         c.jr ra

(local.set $ra (i64.load offset=ra $hart))
(local.set $sp (i64.load offset=sp $hart))
(local.set $s0 (i64.load offset=s0 $hart))
(local.set $a0 (i64.load offset=a0 $hart))
(local.set $branches (i64.load offset=BRANCHES $hart))
(local.set $left (i64.sub (i64.load offset=STOP_BRANCHES $hart) $branches))
(local.set $instret (i64.load offset=INSTRET $hart))
(local.set $data_context (i64.load offset=DATA_CONTEXT $hart))
(block
  (block $B1
    (block $B2
      (local.set $sp (i64.add $sp (i64.const -32)))
      (local.set $l14
        (i32.add $hart
          (i32.and (i32.wrap_i64 (i64.shr_u (i64.add $sp (i64.const 16)) (i64.const 7))) (i32.const 0xffe0))))
      (local.set $way_out (i32.const 0x60100001))
      (br_if $B2
        (i64.ne
          (i64.load offset=DATA_TLB.WRITE_TAG $l14)
          (i64.or (i64.and (i64.add $sp (i64.const 31)) (i64.const -0x1000)) $data_context)))
      (local.set $l13 (i32.add (i32.wrap_i64 $sp) (i32.load offset=DATA_TLB.ADDEND $l14)))
      (i64.store offset=24 $l13 $ra)
      (i64.store offset=16 $l13 $s0)
      (local.set $s0 (i64.add $sp (i64.const 32)))
      (local.set $a0 (i64.const 0))
      (local.set $ra (i64.load offset=24 $l13))
      (local.set $s0 (i64.load offset=16 $l13))
      (local.set $sp (i64.add $sp (i64.const 32)))
      (local.set $l15 $ra)
      (drop (i64.add $page (i64.const 18)))
      (local.set $l16 (i64.and $l15 (i64.const -2)))
      (local.set $instret (i64.add $instret (i64.const 9)))
      (local.set $target $l16)
      (i64.store offset=ra $hart $ra)
      (i64.store offset=sp $hart $sp)
      (i64.store offset=s0 $hart $s0)
      (i64.store offset=a0 $hart $a0)
      (br $B1)
      (unreachable))
    (i64.store offset=ra $hart $ra)
    (i64.store offset=sp $hart $sp)
    (i64.store offset=s0 $hart $s0)
    (i64.store offset=a0 $hart $a0)
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
      (local.set $l15 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
      (i64.store offset=INSTRET $hart $instret)
      (i64.store offset=BRANCHES $hart $l15)
      (i64.store offset=PC $hart $target)
      (return (i32.const 2)))))
(local.set $l17 (i64.sub (i64.load offset=STOP_BRANCHES $hart) $left))
(i64.store offset=INSTRET $hart $instret)
(i64.store offset=BRANCHES $hart $l17)
(local.set $l18 (i64.and $target (i64.const -0x1000)))
(local.set $l14 (i32.add $hart (i32.and (i32.wrap_i64 (i64.shr_u $target (i64.const 7))) (i32.const 0x1fe0))))
(if (i64.eq (i64.load offset=FETCH_TLB.READ_TAG $l14) (i64.or $l18 (i64.load offset=FETCH_CONTEXT $hart)))
  (then
    (local.set $l19 (i32.load offset=FETCH_TLB.ADDEND $l14))
    (local.set $l20
      (i32.load16_u offset=SLOTS_REGION (i32.add $l19 (i32.and (i32.wrap_i64 $target) (i32.const 0xffe)))))
    (if $l20
      (then
        (return_call $env.region $hart $l18 $l19 $l20)))
    (i64.store offset=PC $hart $target)
    (return (i32.const 1))))
(i64.store offset=PC $hart $target)
(i32.const 0)
