// Package hostmemory tells how much memory this process may have and how much it has had. It reads Linux's own files and knows nothing
// elsewhere.
package hostmemory

import (
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Limit is the number of bytes that this process can have at most: the machine's memory, or the limit of one of its control groups
// where that is lower. ok is false where it cannot be told.
func Limit() (bytes int64, ok bool) { return limit(os.DirFS("/")) }

func limit(root fs.FS) (int64, bool) {
	lowest, ok := field(root, "proc/meminfo", "MemTotal")
	if !ok {
		return 0, false
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path, with an empty list of controllers for version 2
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		// The limits of all groups above hold too. In a container the path may lead nowhere: then its root is the group itself.
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			text, err := fs.ReadFile(root, path.Join(mount, at, file))
			if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n > 0 {
				lowest = min(lowest, n)
			}
			if at == "/" {
				break
			}
		}
	}
	return lowest, true
}

// Peak is the most memory that this process has had resident at once, in bytes: its own and that of mapped files.
// getrusage would also count what the process was before it started over with its allocator set.
func Peak() (bytes int64, ok bool) { return peak("self") }

// PeakOf is Peak of another process.
func PeakOf(pid int) (bytes int64, ok bool) { return peak(strconv.Itoa(pid)) }

func peak(process string) (int64, bool) {
	return field(os.DirFS("/"), "proc/"+process+"/status", "VmHWM")
}

// Resident is the memory that this process has resident now, in bytes.
func Resident() (bytes int64, ok bool) { return field(os.DirFS("/"), "proc/self/status", "VmRSS") }

// ResetPeak makes Peak count from now.
func ResetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// field reads a line "name:   123 kB".
func field(root fs.FS, file, name string) (int64, bool) {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil || kb < 0 || kb > math.MaxInt64/1024 {
			return 0, false
		}
		return kb * 1024, true
	}
	return 0, false
}
