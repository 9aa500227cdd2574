// Command lsat keeps an LLM recommender up to date: it trains long- and short-term LoRA adapters on a stream of feedback, merges
// them, and measures what that is worth.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"lsat/device"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// commands are the subcommands. Each file that has one appends its constructor in an init, so that files do not edit each other.
var commands []func() *cobra.Command

// Exit codes. A command that was interrupted ends as shells expect of a signal.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// usageError is wrong usage of the command line, as opposed to work that failed.
type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() }
func (u usageError) Unwrap() error { return u.err }

func main() {
	device.TuneAllocator()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs one command line and returns the exit code. Errors are told on stderr, once.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first Ctrl-C asks the command to stop and keep what is finished; a second one is not caught any more.
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		_, _ = fmt.Fprintln(stderr, "lsat: interrupted")
		return exitInterrupted
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(stderr, "lsat: %v (see %s --help)\n", err, commandPath(root, args))
		return exitUsage
	}
	_, _ = fmt.Fprintf(stderr, "lsat: %v\n", err)
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "lsat",
		Short: "Keep an LLM recommender up to date with long- and short-term LoRA adapters",
		Long: "lsat cuts a stream of feedback into periods, trains a short-term LoRA adapter on each and a long-term one over many,\n" +
			"merges the two, and compares the result with retraining and fine-tuning.",
		Version:       version(),
		SilenceErrors: true, // run tells them
		SilenceUsage:  true, // a failed study is no reason to print the flags
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			msg := fmt.Sprintf("unknown command %q", args[0])
			cmd.SuggestionsMinimumDistance = 2
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				msg += ": did you mean " + strings.Join(near, " or ") + "?"
			}
			return usageError{errors.New(msg)}
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	for _, newCommand := range commands {
		c := newCommand()
		asUsage(c)
		root.AddCommand(c)
	}
	return root
}

// asUsage marks what a command's Args check says as wrong usage, for it and for its subcommands.
func asUsage(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		asUsage(sub)
	}
}

// commandPath names the command that args ask for, as far as there is one.
func commandPath(root *cobra.Command, args []string) string {
	if c, _, err := root.Find(args); err == nil {
		return c.CommandPath()
	}
	return root.Name()
}

// version is the module's version, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
		if s.Key == "GOEXPERIMENT" && s.Value != "" {
			v += " (" + s.Value + ")"
		}
	}
	return v
}
