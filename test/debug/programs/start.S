/* A bare machine's program: entered in S-mode over the built-in SBI, one hart. */
    .section .text.start, "ax"
    .globl _start
_start:
    la sp, stack_top
    li t0, 0x2000          /* sstatus.FS = initial */
    csrs sstatus, t0
    la t0, trap_entry
    csrw stvec, t0
    call main
    /* The test finisher: power off. */
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
1:  j 1b

    .balign 4
trap_entry:
    csrw sscratch, t0
    la t0, trap_count
    sd t1, 8(t0)
    ld t1, 0(t0)
    addi t1, t1, 1
    sd t1, 0(t0)
    csrr t1, scause
    bltz t1, 2f
    csrr t1, sepc
    addi t1, t1, 4
    csrw sepc, t1
    j 3f
2:  li t1, -1              /* a timer interrupt: none any more */
    csrw stimecmp, t1
3:  ld t1, 8(t0)
    csrr t0, sscratch
    sret

    .section .text.crossing, "ax"
    .balign 4096
    .skip 4094
    .globl crossing_code
crossing_code:
    .option push
    .option norvc
    addi a0, a0, 7
    addi a0, a0, 7
    .option pop
    ret

    .bss
    .balign 16
    .globl trap_count
trap_count:
    .skip 16
stack:
    .skip 65536
stack_top:
