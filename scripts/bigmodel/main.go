// Command bigmodel shows what large models cost on this machine. "bigmodel write" writes a model with generated weights, in the files
// that a real one comes in; "bigmodel run" loads a model, scores with it and trains an adapter for two steps, and prints the seconds and
// the memory that each takes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"lsat/device"
	"lsat/engine"
	"lsat/internal/randommodel"
)

const usage = "usage: bigmodel write [flags] DIR | bigmodel run [flags] DIR"

func main() {
	device.TuneAllocator()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bigmodel:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet("bigmodel "+args[0], flag.ContinueOnError)
	switch args[0] {
	case "write":
		name := flags.String("shape", "llama-2-7b", "llama-2-7b, mistral-7b or tinyllama-1.1b")
		layers := flags.Int("layers", 0, "number of layers (default: the shape's)")
		seed := flags.Uint64("seed", 1, "seed of the weights")
		shard := flags.Int("shard", 2<<30, "bytes of a weight file, at most")
		dir, err := parse(flags, args[1:])
		if err != nil {
			return err
		}
		s, err := findShape(*name, *layers)
		if err != nil {
			return err
		}
		return randommodel.Write(ctx, dir, s, randommodel.Options{Seed: *seed, ShardBytes: *shard})
	case "run":
		var o runOptions
		flags.StringVar(&o.device, "device", "auto", "auto, go, xla:cpu or xla:cuda")
		flags.StringVar(&o.dtype, "dtype", "bf16", "bf16 or f32")
		flags.StringVar(&o.quantize, "quantize", engine.QuantizeNone, "none, or int8: the frozen weights in 8-bit integers")
		flags.IntVar(&o.rows, "rows", 1, "rows of a batch")
		flags.IntVar(&o.tokens, "tokens", 64, "tokens of a row")
		flags.BoolVar(&o.noTrain, "no-train", false, "score only")
		dir, err := parse(flags, args[1:])
		if err != nil {
			return err
		}
		return measure(ctx, dir, o, stdout)
	}
	return fmt.Errorf("unknown command %q; %s", args[0], usage)
}

// parse reads the flags and the one argument, a directory.
func parse(flags *flag.FlagSet, args []string) (string, error) {
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if flags.NArg() != 1 {
		return "", errors.New(usage)
	}
	return flags.Arg(0), nil
}
