// Command scale measures whether the time and the memory of training and scoring depend on how many targets there are: on generated
// ratings and a small generated model, with each size in a process of its own. It prints a table in Markdown.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"lsat/dataset"
	"lsat/device"
	"lsat/internal/randommodel"
)

type options struct {
	sizes        []int
	interactions int
	seed         uint64
	warm         int
	device       string
	dir          string
	// one is the size that this process measures itself; 0 in the process that starts those.
	one int
}

func main() {
	device.TuneAllocator()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var sizes string
	f := flag.NewFlagSet("scale", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&sizes, "sizes", "10000,30000,100000,300000,1000000", "numbers of targets, with commas; those that this program has measured before, with the same options, are not measured again")
	f.IntVar(&o.interactions, "interactions", 1_150_000, "number of generated ratings, the same for every size")
	f.Uint64Var(&o.seed, "seed", 1, "decides ratings, weights and the order of training")
	f.StringVar(&o.device, "device", device.Auto, "auto, go, xla:cpu or xla:cuda")
	f.StringVar(&o.dir, "dir", "runs/scale", "directory of ratings, model and results")
	f.IntVar(&o.warm, "warm", 100_000, "up to so many of the targets are trained on and scored once before they are measured, which compiles (nearly) all programs")
	f.IntVar(&o.one, "one", 0, "measure this size in this process, and print it as JSON")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for part := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 {
			return o, fmt.Errorf("--sizes: %q is no number of targets", part)
		}
		o.sizes = append(o.sizes, n)
	}
	slices.Sort(o.sizes)
	if f.NArg() > 0 || o.interactions < 1 || o.warm < 1 || o.one < 0 {
		return o, errors.New("wants --interactions and --warm above 0, --one not below it, and no arguments")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.one > 0 {
		m, err := measure(ctx, o)
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(m)
	}
	if err := prepare(ctx, o); err != nil {
		return err
	}
	key, err := o.key()
	if err != nil {
		return err
	}
	var all []measurement
	for _, n := range o.sizes {
		m, err := kept(o.dir, key, n)
		if errors.Is(err, os.ErrNotExist) {
			_, _ = fmt.Fprintf(stderr, "%d targets\n", n)
			if m, err = inProcess(ctx, o, n, stderr); err == nil {
				err = keep(o.dir, key, m)
			}
		}
		if err != nil {
			return fmt.Errorf("%d targets: %w", n, err)
		}
		all = append(all, m)
	}
	return write(stdout, o, all)
}

// prepare generates ratings and model. Ratings are written anew: a set of other numbers may lie there, and it takes seconds.
func prepare(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.data(), 0o755); err != nil {
		return err
	}
	like := dataset.LikeMovieLens25M(o.interactions, o.seed)
	if err := dataset.WriteGenerated(ctx, o.data(), like); err != nil {
		return err
	}
	set, err := dataset.Open(ctx, o.data(), dataset.Options{})
	if err != nil {
		return err
	}
	return randommodel.Write(ctx, o.model(), shape, randommodel.Options{Seed: o.seed, Words: append(words(set), "Yes", "No")})
}

func (o options) data() string  { return filepath.Join(o.dir, "ratings") }
func (o options) model() string { return filepath.Join(o.dir, "model") }

// inProcess measures one size in a process of its own, since a process's peak memory tells of all that it has done.
func inProcess(ctx context.Context, o options, n int, stderr io.Writer) (measurement, error) {
	self, err := os.Executable()
	if err != nil {
		return measurement{}, err
	}
	cmd := exec.CommandContext(ctx, self, "--one", strconv.Itoa(n), "--warm", strconv.Itoa(o.warm), "--seed", strconv.FormatUint(o.seed, 10), "--device", o.device, "--dir", o.dir)
	cmd.Stderr = stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.Output()
	if err != nil {
		return measurement{}, err
	}
	var m measurement
	if err := json.Unmarshal(out, &m); err != nil {
		return measurement{}, fmt.Errorf("its answer %.80q: %w", out, err)
	}
	return m, nil
}
