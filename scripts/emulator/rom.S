/* The firmware of the emulated PC, 64 KiB: from reset to flat 32-bit mode and into the kernel's PVH entry.
   Given by the assembler's command line: ENTRY, the kernel's entry; MEMORY, bytes of memory. */
	.code16
	.org 0
start:	cli
	cld
	/* Address line 20 on. */
	movb $2, %al
	outb %al, $0x92
	lgdtl %cs:gdtr
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl $8, $0xf0000+flat
	.code32
flat:	movl $16, %eax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw %ax, %fs
	movw %ax, %gs
	/* Touch memory upwards once: the emulator hands out its blocks in the order of their first use, and the memory's
	   contents were read as one piece. */
	xorl %esi, %esi
1:	movb (%esi), %al
	addl $0x20000, %esi
	cmpl $MEMORY, %esi
	jb 1b
	movl $0x6000, %esp
	/* The start information. */
	movl $0x7000, %ebx
	xorl %eax, %eax
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %edi, %edi
	xorl %ebp, %ebp
	movl $ENTRY, %eax
	jmp *%eax
	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
gdtr:	.word 23
	.long 0xf0000+gdt
	/* Reset. */
	.org 0xfff0
	.code16
	ljmp $0xf000, $0
	.org 0xffff
	.byte 0xfc
