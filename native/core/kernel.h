// HD_KERNEL marks a plain loop function that the compiler builds for several instruction sets; the loader
// picks one at start-up (never -march=native). Everything such a function calls must be inlined, or it stays
// baseline code. HD_INLINE is for those callees. Sanitizer builds use the baseline alone: ifunc resolvers run
// before their runtime.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(HD_SANITIZE)
#define HD_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HD_KERNEL
#endif

#define HD_INLINE inline __attribute__((always_inline))
