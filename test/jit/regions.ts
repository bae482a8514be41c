import type { RegionCase } from './listing.ts';

const STRAIGHT: readonly RegionCase[] = [
  {
    name: 'straight-line',
    about: "Instructions one after another, up to one that is the interpreter's.",
    source: `
      entry:  addi a0,a0,1
              add a1,a0,a2
              ecall
    `,
  },
  {
    name: 'never-executed',
    about: 'What was never executed stays out: the branch to it leaves the region, uncounted since it goes forward.',
    source: `
      entry:  addi a0,a0,1
              beq a0,a1,rare
              addi a0,a0,2
              ecall
      rare:   addi a0,a0,3
              ecall
    `,
    cold: ['rare'],
  },
  {
    name: 'constants',
    about: 'lui and addi, auipc, li and mv: constants and copies.',
    source: `
      entry:  lui a0,0x12345
              addi a0,a0,1656
              auipc a1,0x1
              addi a2,zero,-1
              addi a3,a2,0
              jalr zero,0(ra)
    `,
  },
  {
    name: 'writes-to-x0',
    about: 'What only writes x0 has no code, but is counted. Loads to x0 still have to be allowed.',
    source: `
      entry:  addi zero,zero,0
              add zero,a0,a1
              lw zero,0(a0)
              amoadd.w zero,a1,(a0)
              jalr zero,0(ra)
    `,
  },
  {
    name: 'words',
    about: 'Operations on words: low halves, results sign-extended.',
    source: `
      entry:  addw a0,a1,a2
              addiw a0,a0,5
              subw a3,a0,a1
              sllw a4,a3,a2
              srliw a5,a4,0x3
              sraw a6,a5,a2
              jalr zero,0(ra)
    `,
  },
  {
    name: 'comparisons',
    about: 'slt and its relatives: comparisons that leave 0 or 1.',
    source: `
      entry:  slt a0,a1,a2
              sltu a3,a1,a2
              slti a4,a1,-5
              sltiu a5,a1,1
              sltu a6,zero,a1
              jalr zero,0(ra)
    `,
  },
  {
    name: 'multiply-divide',
    about: 'M: high halves from products of 32-bit parts; division by 0 and overflow without a trap.',
    source: `
      entry:  mul a0,a1,a2
              mulw a0,a0,a2
              mulhu a3,a1,a2
              divu a4,a1,a2
              remw a5,a1,a2
              div a6,a1,a2
              jalr zero,0(ra)
    `,
  },
  {
    name: 'address-arithmetic',
    about: 'Zba: shifts and adds for indices.',
    source: `
      entry:  sh1add a0,a1,a2
              sh3add a0,a0,a2
              add.uw a3,a1,a2
              slli.uw a4,a1,0x2
              jalr zero,0(ra)
    `,
  },
  {
    name: 'bit-counting',
    about: 'Zbb: counts, minima, rotations, byte order.',
    source: `
      entry:  clz a0,a1
              ctzw a2,a1
              cpop a3,a1
              minu a4,a3,a2
              andn a5,a4,a1
              rori a6,a5,0x7
              rev8 a7,a6
              sext.h a0,a7
              orc.b a1,a0
              jalr zero,0(ra)
    `,
  },
  {
    name: 'single-bits',
    about: 'Zbs and Zicond: one bit; a value or zero.',
    source: `
      entry:  bset a0,a1,a2
              bclri a0,a0,0x5
              bext a3,a1,a2
              binvi a4,a1,0x3f
              czero.eqz a5,a1,a2
              jalr zero,0(ra)
    `,
  },
  {
    name: 'compressed',
    about: 'Instructions of two bytes: page offsets step by two, else they are what they stand for.',
    source: `
      entry:  c.li a0,5
              c.addi a0,-1
              c.mv a1,a0
              c.slli a1,0x4
              c.and a1,a0
              c.bnez a1,entry
              c.jr ra
    `,
  },
];

const CONTROL: readonly RegionCase[] = [
  {
    name: 'loop',
    about: 'A loop of one block: its transfer is counted, and may be where to stop.',
    source: `
      entry:  addi a0,a0,-1
              bne a0,zero,entry
              ecall
    `,
  },
  {
    name: 'loop-with-test-at-top',
    about: 'The test stands at the top, the jump back below: the jump is counted, the branch out is not.',
    source: `
      entry:  beq a0,zero,done
              addi a0,a0,-1
              jal zero,entry
      done:   jalr zero,0(ra)
    `,
  },
  {
    name: 'nested-loops',
    about: 'A loop in a loop: two loops of WebAssembly.',
    source: `
      entry:  addi a1,zero,10
      inner:  addi a1,a1,-1
              bne a1,zero,inner
              addi a0,a0,-1
              bne a0,zero,entry
              jalr zero,0(ra)
    `,
  },
  {
    name: 'loop-with-continue-and-break',
    about: 'Two ways back to the header and two out of the loop.',
    source: `
      entry:  addi a0,a0,-1
              beq a0,a1,entry
              beq a0,a2,out
              bne a0,zero,entry
      out:    addi a3,a3,1
              jalr zero,0(ra)
    `,
  },
  {
    name: 'if',
    about: 'A forward branch over one instruction: not counted.',
    source: `
      entry:  bge a0,zero,skip
              sub a0,zero,a0
      skip:   addi a0,a0,1
              jalr zero,0(ra)
    `,
  },
  {
    name: 'if-else',
    about: 'A diamond: both arms come together in one block, which is written once.',
    source: `
      entry:  bltu a0,a1,less
              sub a2,a0,a1
              jal zero,end
      less:   sub a2,a1,a0
      end:    addi a2,a2,1
              jalr zero,0(ra)
    `,
  },
  {
    name: 'and-condition',
    about: 'if (a && b): two branches to the same place.',
    source: `
      entry:  beq a0,zero,end
              beq a1,zero,end
              addi a2,a2,1
      end:    jalr zero,0(ra)
    `,
  },
  {
    name: 'compare-and-branch',
    about: 'A comparison whose result the branch behind it looks at.',
    source: `
      entry:  slt a2,a0,a1
              bne a2,zero,less
              sltu a3,a0,a1
              beq a3,zero,less
              addi a4,a4,1
      less:   jalr zero,0(ra)
    `,
  },
  {
    name: 'call-and-return',
    about: 'A call whose callee is in the page: the return is compared with the place behind the call.',
    source: `
      entry:  addi a0,a0,1
              jal ra,double
              addi a0,a0,2
              ecall
      double: add a0,a0,a0
              jalr zero,0(ra)
    `,
  },
  {
    name: 'two-calls',
    about: 'One callee, two callers: the return is compared with both.',
    source: `
      entry:  addi s0,ra,0
              jal ra,double
              jal ra,double
              jalr zero,0(s0)
      double: add a0,a0,a0
              jalr zero,0(ra)
    `,
  },
  {
    name: 'call-out-of-page',
    about: 'A call out of the page ends the region through the table; so does an indirect call.',
    source: `
      entry:  beq a0,zero,other
              jal ra,0x2000
      other:  jalr ra,16(a1)
    `,
  },
  {
    name: 'call-into-another-page',
    about:
      'A small callee in another page is followed. The first way there asks whether the page is still the right one, which is left\nto the look-up if it is not; the way back needs no check.',
    source: `
      entry:  jal ra,callee
              addi a0,a0,-1
              bne a0,zero,entry
              jalr zero,0(a1)
              .org 0x1010
      callee: add a2,a2,a0
              jalr zero,0(ra)
    `,
  },
  {
    name: 'loop-over-a-page-end',
    about: 'A loop whose second half lies in the next page: checked where control falls into it, once.',
    source: `
              .org 0xff8
      entry:  addi a0,a0,-1
              xor a2,a2,a0
              beq a2,zero,out
              addi a3,a3,1
              bne a0,zero,entry
      out:    jalr zero,0(ra)
    `,
  },
  {
    name: 'jump-table',
    about: 'An indirect jump with known targets: compared one after the other, the hottest first, then looked up.',
    source: `
      entry:  sh2add a1,a0,a2
              lw a1,0(a1)
              add a1,a1,a2
              jalr zero,0(a1)
      one:    addi a3,a3,1
              jal zero,entry
      two:    addi a3,a3,2
              jal zero,entry
      three:  addi a3,a3,3
              jalr zero,0(ra)
    `,
    indirectTargets: ['two', 'one', 'three'],
  },
  {
    name: 'irreducible',
    about: 'A loop with two entries: the edges into its middle are cut and leave the region.',
    source: `
      entry:  beq a0,zero,second
      first:  addi a1,a1,1
      second: addi a1,a1,-2
              bne a1,zero,first
              jalr zero,0(ra)
    `,
  },
  {
    name: 'threaded-code',
    about:
      'An interpreter whose operations each end with a jump to the next one: every operation can follow every other one. Ways to those before\nlead through a dispatcher around everything.',
    source: `
      entry:  lw a1,0(a0)
              addi a0,a0,4
              jalr zero,0(a1)
      add:    add a2,a2,a3
              lw a1,0(a0)
              addi a0,a0,4
              jalr zero,0(a1)
      swap:   xor a3,a3,a2
              lw a1,0(a0)
              addi a0,a0,4
              jalr zero,0(a1)
      shift:  slli a2,a2,0x1
              lw a1,0(a0)
              addi a0,a0,4
              jalr zero,0(a1)
    `,
    indirectTargets: ['add', 'swap', 'shift'],
  },
  {
    name: 'overlapping-code',
    about: 'A jump into the middle of a 4-byte instruction, which reads as other instructions from there.',
    source: `
      entry:  beq a0,zero,hidden
              .2byte 0x0537             # lui a0,0x5050: the upper half is c.addi a0,1
      hidden: .2byte 0x0505
              jalr zero,0(ra)
    `,
  },
];

const MEMORY: readonly RegionCase[] = [
  {
    name: 'load',
    about: "A load alone: its TLB entry is looked up; a miss is the interpreter's.",
    source: `
      entry:  ld a0,8(a1)
              jalr zero,0(ra)
    `,
  },
  {
    name: 'store',
    about: 'A store alone. One byte cannot lie in two pages.',
    source: `
      entry:  sb a0,-1(a1)
              jalr zero,0(ra)
    `,
  },
  {
    name: 'neighbours',
    about: 'Accesses off one base register that nobody changes in between: one check for the whole range.',
    source: `
      entry:  lw a0,0(a2)
              lbu a1,7(a2)
              add a0,a0,a1
              sh a0,-2(a2)
              sd a0,16(a2)
              jalr zero,0(ra)
    `,
  },
  {
    name: 'neighbours-end-with-their-base',
    about: 'A pointer is followed: the second access has another base and gets a check of its own.',
    source: `
      entry:  ld a1,0(a0)
              ld a0,8(a0)
              ld a2,0(a0)
              bne a2,zero,entry
              jalr zero,0(ra)
    `,
  },
  {
    name: 'store-then-load',
    about: 'What was stored is loaded again through the same check.',
    source: `
      entry:  sw a1,4(a0)
              lw a2,4(a0)
              sd a2,8(a0)
              lhu a3,10(a0)
              jalr zero,0(ra)
    `,
  },
  {
    name: 'prologue-and-epilogue',
    about: 'A function saves registers on the stack and takes them back.',
    source: `
      entry:  c.addi16sp sp,-32
              c.sdsp ra,24(sp)
              c.sdsp s0,16(sp)
              c.addi4spn s0,sp,32
              c.li a0,0
              c.ldsp ra,24(sp)
              c.ldsp s0,16(sp)
              c.addi16sp sp,32
              c.jr ra
    `,
  },
  {
    name: 'copy-loop',
    about: 'Bytes are copied until one is zero.',
    source: `
      entry:  lbu a2,0(a1)
              addi a1,a1,1
              sb a2,0(a0)
              addi a0,a0,1
              bne a2,zero,entry
              jalr zero,0(ra)
    `,
  },
  {
    name: 'atomics',
    about: 'AMOs: aligned, and checked as stores.',
    source: `
      entry:  amoadd.w a0,a1,(a2)
              amoswap.d.aqrl a3,a4,(a2)
              amomaxu.w zero,a1,(a2)
              jalr zero,0(ra)
    `,
  },
  {
    name: 'load-reserved',
    about: 'LR and SC: the reservation is a physical address and what was read there.',
    source: `
      entry:  lr.d.aq a0,(a2)
              add a0,a0,a1
              sc.d.rl a3,a0,(a2)
              bne a3,zero,entry
              jalr zero,0(ra)
    `,
  },
  {
    name: 'zeroing-a-block',
    about: 'cbo.zero: eight stores to 64 aligned bytes.',
    source: `
      entry:  cbo.zero (a0)
              addi a0,a0,64
              bne a0,a1,entry
              jalr zero,0(ra)
    `,
  },
];

const FLOAT: readonly RegionCase[] = [
  {
    name: 'double-arithmetic',
    about: 'Addition and multiplication where the host gives result and flags; FS is looked at once in a block.',
    source: `
      entry:  fadd.d fa0,fa0,fa1
              fmul.d fa0,fa0,fa2
              jalr zero,0(ra)
    `,
  },
  {
    name: 'single-arithmetic',
    about: 'Single precision: operands are unboxed, results boxed. A rounding mode of its own.',
    source: `
      entry:  fsub.s fa0,fa0,fa1,rtz
              fdiv.s fa2,fa0,fa1
              jalr zero,0(ra)
    `,
  },
  {
    name: 'fused-multiply-add',
    about: 'One rounding of a product and a sum.',
    source: `
      entry:  fmadd.d fa0,fa1,fa2,fa3
              jalr zero,0(ra)
    `,
  },
  {
    name: 'float-comparison',
    about: 'A comparison that decides a branch, and a minimum.',
    source: `
      entry:  flt.d a0,fa0,fa1
              beq a0,zero,end
              fmin.d fa0,fa0,fa1
      end:    jalr zero,0(ra)
    `,
  },
  {
    name: 'float-conversion',
    about: 'Between integers and floating point, and between the formats.',
    source: `
      entry:  fcvt.d.w fa0,a0
              fcvt.s.l fa1,a1
              fcvt.w.d a2,fa0,rtz
              fcvt.d.s fa2,fa1
              fcvt.s.d fa3,fa2
              jalr zero,0(ra)
    `,
  },
  {
    name: 'float-moves',
    about: 'Loads, stores, signs and bit patterns raise no flags.',
    source: `
      entry:  fld fa0,0(a0)
              flw fa1,8(a0)
              fsgnjx.d fa2,fa0,fa0
              fmv.x.w a1,fa1
              fmv.d.x fa3,a1
              fsd fa2,16(a0)
              jalr zero,0(ra)
    `,
  },
];

const SYSTEM: readonly RegionCase[] = [
  {
    name: 'csr-scratch',
    about: 'A CSR that is like a register: only the privilege is looked at.',
    source: `
      entry:  csrrw tp,sscratch,tp
              csrrs a0,sscratch,zero
              jalr zero,0(ra)
    `,
  },
  {
    name: 'csr-status',
    about: 'sstatus: interrupts and access to user pages are switched without the interpreter.',
    source: `
      entry:  csrrci a0,sstatus,2
              csrrs zero,sstatus,a1
              jalr zero,0(ra)
    `,
  },
  {
    name: 'csr-float',
    about: 'Flags and rounding mode.',
    source: `
      entry:  csrrs a0,fflags,zero
              csrrwi a1,frm,1
              jalr zero,0(ra)
    `,
  },
  {
    name: 'side-exits',
    about: 'What only the interpreter does ends a block; what stands behind it is a region of its own.',
    source: `
      entry:  addi a0,a0,1
              bne a0,a1,fence
              ecall
      fence:  sfence.vma zero,zero
              addi a0,a0,2
              jalr zero,0(ra)
    `,
  },
  {
    name: 'fences',
    about: 'fence and fence.i: stores to code are noticed when they happen, so neither has anything to do.',
    source: `
      entry:  sw a0,0(a1)
              fence.i
              fence rw,w
              jalr zero,0(ra)
    `,
  },
];

export const REGIONS: readonly RegionCase[] = [...STRAIGHT, ...CONTROL, ...MEMORY, ...FLOAT, ...SYSTEM];
