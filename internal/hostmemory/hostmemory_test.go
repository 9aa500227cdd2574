package hostmemory

import (
	"runtime"
	"testing"
	"testing/fstest"
)

func TestLimit(t *testing.T) {
	const total = "MemFree:  5 kB\nMemTotal:       24684012 kB\n"
	const all = 24684012 * 1024
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no groups":             {map[string]string{"proc/meminfo": total}, all},
		"version 2, no limit":   {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, all},
		"version 2":             {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1048576\n"}, 1 << 20},
		"a group above":         {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "4096\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 4096},
		"path outside":          {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "0::/../x\n", "sys/fs/cgroup/memory.max": "8192\n"}, 8192},
		"version 1":             {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "5:cpu:/a\n4:hugetlb,memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "2048\n"}, 2048},
		"version 1, no limit":   {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, all},
		"more than the machine": {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "99999999999999\n"}, all},
		"nonsense":              {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "x\n0::/\n::\n", "sys/fs/cgroup/memory.max": "-4\n"}, all},
	} {
		root := fstest.MapFS{}
		for path, text := range c.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, ok := limit(root); !ok || got != c.want {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, c.want)
		}
	}
	if n, ok := limit(fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal: many kB\n")}}); ok {
		t.Errorf("a limit of %d from nonsense", n)
	}
}

func TestThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux tells")
	}
	limit, ok := Limit()
	now, okNow := Resident()
	peak, okPeak := Peak()
	if !ok || !okNow || !okPeak || now <= 0 || peak < now/2 || limit < now {
		t.Errorf("limit %d (%v), resident %d (%v), peak %d (%v)", limit, ok, now, okNow, peak, okPeak)
	}
}

func TestField(t *testing.T) {
	read := func(text string) (int64, bool) {
		return field(fstest.MapFS{"status": {Data: []byte(text)}}, "status", "VmHWM")
	}
	if got, ok := read("Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t   2048 kB\n"); !ok || got != 2048*1024 {
		t.Errorf("got %d, %v", got, ok)
	}
	if got, ok := read("VmHWM: many"); ok || got != 0 {
		t.Errorf("nonsense is %d, %v", got, ok)
	}
}
