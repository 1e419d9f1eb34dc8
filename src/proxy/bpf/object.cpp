#include "proxy/bpf/object.hpp"

// SAMPAN_BPF_OBJECT: the path of the object file, from CMake.
asm(".section .rodata.sampan_bpf,\"a\",@progbits\n"
    ".balign 16\n"
    ".globl sampan_bpf_begin\n"
    "sampan_bpf_begin:\n"
    ".incbin \"" SAMPAN_BPF_OBJECT "\"\n"
    ".globl sampan_bpf_end\n"
    "sampan_bpf_end:\n"
    ".byte 0\n"
    ".text\n");

extern "C" const char sampan_bpf_begin[];
extern "C" const char sampan_bpf_end[];

namespace proxy::bpf {

std::span<const char> object_file() { return {sampan_bpf_begin, sampan_bpf_end}; }

}  // namespace proxy::bpf
