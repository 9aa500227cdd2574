//go:build !linux

package device

// TuneAllocator does nothing here: it sets an allocator that only Linux has.
func TuneAllocator() {}
