//go:build unix

package mmap

import (
	"os"
	"syscall"
	"unsafe"
)

func forget(part []byte) {
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	skip := (page - start%page) % page
	if uintptr(len(part)) < skip+page {
		return
	}
	inner := part[skip:]
	_ = syscall.Madvise(inner[:uintptr(len(inner))/page*page], syscall.MADV_DONTNEED) // advice: nothing is lost if it is not taken
}
