package device

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"lsat/internal/hostmemory"
)

// Memory is the number of bytes that work on a device can take: the host's, by whatever limit holds for this process, or those of the
// smallest GPU, as its driver's nvidia-smi tells. ok is false where it cannot be told.
func Memory(ctx context.Context, name string) (bytes int64, ok bool) {
	if name != XLACUDA {
		return hostmemory.Limit()
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits").Output()
	if err != nil {
		return 0, false
	}
	return smallestGPU(string(out))
}

// smallestGPU reads mebibytes, one GPU a line. Which one is taken is up to the driver, so the smallest counts.
func smallestGPU(text string) (bytes int64, ok bool) {
	for line := range strings.Lines(text) {
		mib, err := strconv.ParseInt(strings.TrimSpace(line), 10, 32)
		if err != nil || mib <= 0 {
			return 0, false
		}
		if b := mib << 20; !ok || b < bytes {
			bytes, ok = b, true
		}
	}
	return bytes, ok
}
