package main

import (
	"os"
	"strconv"
	"strings"
)

// peakMemory is the largest resident size that this process had, in bytes; 0 where the system does not tell. It is read from Linux' status file, since
// getrusage also counts what the process was before it started over with its allocator set.
func peakMemory() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
