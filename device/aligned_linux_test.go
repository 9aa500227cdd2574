//go:build cgo

package device

import (
	"debug/elf"
	"os"
	"slices"
	"testing"
)

// The plugin asks the program before the C library for aligned memory only where the program exports that function.
func TestProgramExportsAlignedAllocation(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	libs, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(libs, "libc.so.6") {
		t.Skipf("the C library is not glibc: %v", libs)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	exported := func(s elf.Symbol) bool { return s.Name == "posix_memalign" && s.Section != elf.SHN_UNDEF }
	if !slices.ContainsFunc(symbols, exported) {
		t.Error("posix_memalign is not exported: XLA's buffers take half as much memory again")
	}
}
