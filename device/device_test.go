package device

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"lsat/internal/plugin"
)

// emptyHome points every place where plugins are searched at an empty directory.
func emptyHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv(plugin.PathEnv, filepath.Join(dir, "plugins"))
	if p := plugin.Find(plugin.CPU); p != "" {
		t.Skipf("SKIP: a system-wide plugin at %s cannot be hidden", p)
	}
	return dir
}

func multiplies(t *testing.T, b compute.Backend) {
	t.Helper()
	got := graph.MustExecOnce(b, func(x, y *graph.Node) *graph.Node { return graph.Dot(x, y).Product() },
		[][]float32{{1, 2}, {3, 4}}, [][]float32{{5, 6}, {7, 8}}).Value().([][]float32)
	want := [][]float32{{19, 22}, {43, 50}}
	for i := range want {
		for j := range want[i] {
			if got[i][j] != want[i][j] {
				t.Fatalf("product %v, want %v", got, want)
			}
		}
	}
}

func TestOpenGoComputes(t *testing.T) {
	emptyHome(t)
	b, name, notice, err := Open(Go)
	if err != nil || name != Go || notice != "" {
		t.Fatalf("Open(go) = %q, %q, %v", name, notice, err)
	}
	defer b.Finalize()
	multiplies(t, b)
}

func TestAutoFallsBackToGoWithOneLine(t *testing.T) {
	emptyHome(t)
	b, name, notice, err := Open(Auto)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Finalize()
	if name != Go {
		t.Fatalf("opened %s without any plugin", name)
	}
	if xlaBuilt && !strings.Contains(notice, "lsat pull pjrt-cpu") {
		t.Errorf("notice does not say what to do: %q", notice)
	}
	if strings.Contains(notice, "\n") || notice == "" {
		t.Errorf("notice is not one line: %q", notice)
	}
}

func TestAutoPassesOverABrokenPlugin(t *testing.T) {
	if !xlaBuilt {
		t.Skip("SKIP: built without cgo")
	}
	dir := emptyHome(t)
	broken := filepath.Join(dir, "plugins", plugin.FileName(plugin.CPU))
	if err := os.MkdirAll(filepath.Dir(broken), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, []byte("\x7fELF and then nothing"), 0o755); err != nil {
		t.Fatal(err)
	}
	b, name, notice, err := Open(Auto)
	if err != nil || name != Go {
		t.Fatalf("Open(auto) = %q, %v", name, err)
	}
	defer b.Finalize()
	if !strings.Contains(notice, broken) {
		t.Errorf("notice does not name the broken plugin: %q", notice)
	}
	if _, _, _, err = Open(XLACPU); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Open(xla:cpu) of a broken plugin: %v", err)
	}
}

func TestAutoTakesTheFastestThatOpens(t *testing.T) {
	devices := []Device{
		{Name: XLACUDA, Reason: "no NVIDIA GPU found"},
		{Name: XLACPU, Plugin: "p", Available: true},
		{Name: Go, Available: true},
	}
	var opened []string
	open := func(d Device) (compute.Backend, error) {
		if !d.Available {
			return openOne(d)
		}
		opened = append(opened, d.Name)
		return nil, nil
	}
	_, name, notice, err := openAuto(devices, open)
	if err != nil || name != XLACPU || notice != "" || len(opened) != 1 {
		t.Fatalf("openAuto = %q, %q, %v after opening %v; want xla:cpu alone, without a word", name, notice, err, opened)
	}
}

func TestOpenErrors(t *testing.T) {
	emptyHome(t)
	for name, want := range map[string]error{"gpu": ErrUnknown, "xla:cuda:7": ErrUnknown, "xla:cpu:1": ErrUnknown, "go:0": ErrUnknown, "xla:cuda:": ErrUnknown, ":1": ErrUnknown, XLACPU: ErrUnavailable, "xla": ErrUnavailable, XLACUDA: ErrUnavailable} {
		if name == XLACUDA && plugin.HasNVIDIA() {
			continue
		}
		b, _, _, err := Open(name)
		if !errors.Is(err, want) || b != nil {
			t.Errorf("Open(%s) = %v, %v; want %v", name, b, err, want)
		}
	}
}

func TestXLACPUComputes(t *testing.T) {
	b, name, notice, err := Open(XLACPU)
	if errors.Is(err, ErrUnavailable) {
		t.Skipf("SKIP: %v", err)
	}
	if err != nil || name != XLACPU || notice != "" {
		t.Fatalf("Open = %q, %q, %v", name, notice, err)
	}
	defer b.Finalize()
	multiplies(t, b)
	// Opened by path, the backend must still know that it runs on the CPU: that is what lets it share memory.
	if !b.HasSharedBuffers() {
		t.Error("the CPU plugin is opened without shared buffers")
	}
}

func TestSpeedIsMeasured(t *testing.T) {
	b, _, _, err := Open(Go)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Finalize()
	g, err := Speed(t.Context(), b, dtypes.Float32, 64, time.Millisecond)
	if err != nil || !(g > 0) {
		t.Fatalf("Speed = %v, %v", g, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Speed(ctx, b, dtypes.Float32, 64, time.Millisecond); !errors.Is(err, context.Canceled) {
		t.Errorf("Speed when cancelled: %v", err)
	}
	if _, err := Speed(t.Context(), b, dtypes.InvalidDType, 64, time.Millisecond); err == nil {
		t.Error("Speed in no data type gives a figure")
	}
}

// A device by number is refused with the way to choose one.
func TestNumberedDevicesAreRefusedInWords(t *testing.T) {
	_, _, _, err := Open("xla:cuda:3")
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "CUDA_VISIBLE_DEVICES=3") {
		t.Errorf("Open(xla:cuda:3): %v", err)
	}
	if _, _, _, err := Open("xla:tpu:3"); !errors.Is(err, ErrUnknown) || strings.Contains(err.Error(), "CUDA_VISIBLE_DEVICES") {
		t.Errorf("Open(xla:tpu:3): %v", err)
	}
}

func TestMemory(t *testing.T) {
	for text, want := range map[string]int64{"81559\n": 81559 << 20, "81559\n24576\n": 24576 << 20, "": 0, "[N/A]\n": 0, "0\n": 0} {
		if got, ok := smallestGPU(text); got != want || ok != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if n, ok := Memory(t.Context(), XLACUDA); ok {
		t.Errorf("a GPU of %d bytes without a driver", n)
	}
}
