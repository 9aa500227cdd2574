package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/spf13/cobra"

	"lsat/catalog"
	"lsat/device"
)

func init() { commands = append(commands, newDoctorCommand) }

// speedBudget is how long each figure is measured.
const speedBudget = 400 * time.Millisecond

// productSize is the n of the measured n x n products: large enough for the device to show itself, small enough to take no time.
var productSize = map[string]int{device.XLACUDA: 4096, device.XLACPU: 1024, device.Go: 384}

func newDoctorCommand() *cobra.Command {
	var noSpeed bool
	var cacheDir string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what this machine can compute with, how fast, and what is missing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := cmd.OutOrStdout()
			tellVersions(cmd.Context(), w)
			if err := tellDevices(cmd.Context(), w, !noSpeed); err != nil {
				return err
			}
			return tellCache(w, cacheDir)
		},
	}
	cmd.Flags().BoolVar(&noSpeed, "no-speed", false, "do not measure speeds")
	cmd.Flags().StringVar(&cacheDir, "cache-dir", "", "show this cache (default: lsat in the user's cache directory)")
	return cmd
}

func tellVersions(ctx context.Context, w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "lsat\t%s\n", version())
	_, _ = fmt.Fprintf(t, "Go\t%s %s/%s, %d CPUs\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	if runtime.GOARCH == "amd64" && !strings.Contains(version(), "simd") {
		_, _ = fmt.Fprintln(t, "\tbuilt without GOEXPERIMENT=simd: the Go backend is about five times slower (make build sets it)")
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if strings.HasPrefix(m.Path, "github.com/gomlx/") {
				_, _ = fmt.Fprintf(t, "%s\t%s\n", strings.TrimPrefix(m.Path, "github.com/gomlx/"), m.Version)
			}
		}
	}
	_, _ = fmt.Fprintf(t, "pip\t%s\n", pipVersion(ctx))
	_ = t.Flush()
}

func pipVersion(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "python3", "-m", "pip", "--version").Output()
	if err != nil {
		return "not found: lsat pull cannot use the Python package index; install Python 3 with pip"
	}
	fields := strings.Fields(string(out))
	if len(fields) < 2 {
		return "unknown"
	}
	return fields[1]
}

// tellDevices opens every device, fastest first, and says which one --device auto takes.
func tellDevices(ctx context.Context, w io.Writer, measure bool) error {
	_, _ = fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "DEVICE\tf32 GFLOPS\tbf16 GFLOPS\tSTATE")
	auto := ""
	for _, d := range device.Devices() {
		f32, bf16, state := "-", "-", "found"
		if d.Plugin != "" {
			state += ": " + d.Plugin
		}
		b, _, _, err := device.Open(d.Name)
		switch {
		case err != nil && !d.Available:
			state = "missing: " + d.Reason
			if d.Fix != "" {
				state += "; to get it: " + d.Fix
			}
		case err != nil:
			state = "does not open: " + err.Error()
		default:
			if auto == "" {
				auto = d.Name
			}
			if measure {
				f32 = speed(ctx, func() (float64, error) { return device.Speed(ctx, b, dtypes.Float32, productSize[d.Name], speedBudget) })
				bf16 = speed(ctx, func() (float64, error) {
					return device.Speed(ctx, b, dtypes.BFloat16, productSize[d.Name], speedBudget)
				})
			}
			b.Finalize()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", d.Name, f32, bf16, state)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "--device auto takes %s\n", auto)
	return err
}

// speed formats a figure; a device that cannot do a data type has none.
func speed(ctx context.Context, measure func() (float64, error)) string {
	g, err := measure()
	if err != nil || ctx.Err() != nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", g)
}

func tellCache(w io.Writer, dir string) error {
	list, err := catalog.Cache(dir)
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = catalog.DefaultCacheDir(); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(w, "\nCache %s\n", dir)
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "is empty: lsat pull --list shows what can be had")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range list {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\tfrom %s\n", strings.TrimSuffix(string(c.Kind), "s"), c.Name, mebibytes(c.Size), c.Source)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return leftovers(w, dir)
}

// leftovers tells of interrupted downloads, which take space until they are continued or removed.
func leftovers(w io.Writer, dir string) error {
	for _, kind := range []catalog.Kind{catalog.Model, catalog.Dataset, catalog.Plugin} {
		entries, err := os.ReadDir(dir + "/" + string(kind))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, e := range entries {
			if name, ok := strings.CutSuffix(e.Name(), ".partial"); ok {
				if _, err := fmt.Fprintf(w, "%s: pulled in part; lsat pull continues\n", name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
