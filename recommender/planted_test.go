package recommender

import (
	"testing"

	"github.com/gomlx/compute"

	"lsat/device"
)

// backends are those that this machine has; the Go backend is always there.
func backends(t *testing.T) map[string]compute.Backend {
	t.Helper()
	out := map[string]compute.Backend{}
	for _, name := range []string{device.Go, device.XLACPU} {
		b, _, _, err := device.Open(name)
		if err != nil {
			t.Logf("%s is not tested here: %v", name, err)
			continue
		}
		out[name] = b
	}
	if out[device.Go] == nil {
		t.Fatal("the Go backend must always be there")
	}
	return out
}
