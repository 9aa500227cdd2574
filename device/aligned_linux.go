//go:build cgo

package device

// XLA asks for every buffer at a multiple of 64 bytes. For that glibc before 2.38 looks for a piece of free memory that is 96 bytes longer and gives back what it
// does not need, so that a buffer never fits the place that one of the same size has left, once something small lies beside it: half of the heap lay idle
// (docs/PERFORMANCE.md). A plain request is met by such a place exactly. Where pieces are whole multiples of 64 bytes, as they are here, what it finds is
// aligned already, nearly always; where it is not, glibc does as before. The plugin finds this function before the C library's, since the program exports it.

// #cgo LDFLAGS: -rdynamic
// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <errno.h>
// #include <malloc.h>
// #include <stdint.h>
//
// enum { line = 64, large = 1 << 16, head = sizeof(size_t) };
//
// int posix_memalign(void **out, size_t alignment, size_t size) {
// 	if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
// 	void *p = NULL;
// 	if (alignment <= line && size >= large && size <= SIZE_MAX / 2) {
// 		size = (size + head + line - 1) / line * line - head; // with its head a multiple of 64
// 		p = malloc(size);
// 		if (p != NULL && (uintptr_t)p % line != 0) {
// 			free(p);
// 			p = NULL;
// 			alignment = line;
// 		}
// 	}
// 	if (p == NULL) p = memalign(alignment, size);
// 	if (p == NULL) return ENOMEM;
// 	*out = p;
// 	return 0;
// }
// #endif
import "C"
