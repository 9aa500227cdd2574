package device

import (
	"os"
	"syscall"
)

// tunables make glibc's allocator keep what XLA frees after a run, and back it with huge pages. XLA allocates its working memory
// (hundreds of megabytes when training) anew for every run; without this, every run pays for a hundred thousand page faults. One arena instead
// of one for each thread: what a thread has freed serves the others too, which takes a quarter less memory in training (docs/PERFORMANCE.md).
const tunables = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:glibc.malloc.arena_max=1"

// garbage lets Go's own heap, ratings and sequences beside XLA's tensors, grow by a quarter before it is collected instead of doubling. Collecting
// more often takes no time that could be measured.
const garbage = "25"

// TuneAllocator makes the process start over once with an allocator set for XLA's use of memory: training runs about a tenth to a
// fifth faster with it. It has to be the first thing that main does. An allocator or a collector that was set in the environment
// (GLIBC_TUNABLES, GOGC), a build without XLA and a C library that is not glibc are left alone.
func TuneAllocator() {
	if !xlaBuilt {
		return
	}
	if _, set := os.LookupEnv("GLIBC_TUNABLES"); set {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return // slower, not wrong
	}
	env := append(os.Environ(), "GLIBC_TUNABLES="+tunables)
	if _, set := os.LookupEnv("GOGC"); !set {
		env = append(env, "GOGC="+garbage)
	}
	_ = syscall.Exec(self, os.Args, env) // returns only if it could not
}
