package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
	"github.com/spf13/cobra"

	"lsat/engine"
	"lsat/prompt"
	"lsat/report"
	"lsat/study"
)

func init() { commands = append(commands, newStudyCommand) }

func newStudyCommand() *cobra.Command {
	var out string
	var device string
	var devices int
	var sets []string
	var offline bool
	cmd := &cobra.Command{
		Use:   "study CONFIG.yaml",
		Short: "Compare update strategies over the periods of a stream",
		Long: "Runs every strategy of the configuration over its test periods and prints the comparison. The run directory holds the adapters,\n" +
			"every sample's log-odds (results.sqlite) and the report. A study that was interrupted goes on where it stopped when the same\n" +
			"command is run again; one whose configuration has changed uses again whatever it has in common.\n\n" +
			"Variables override the file: LSAT_ and the key in capitals, with _ for the dots (LSAT_PERIODS_LAST=12). --set overrides both.",
		Example: "  lsat study configs/demo.yaml\n  lsat study configs/ml-1m-cpu.yaml --out runs/ml-1m --set data.path=~/data/ml-1m --set 'seeds=[1, 2]'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if device != "" {
				sets = append(sets, "device="+device)
			}
			if cmd.Flags().Changed("devices") {
				sets = append(sets, fmt.Sprintf("devices=%d", devices))
			}
			c, err := study.Load(args[0], os.Environ(), sets)
			if err != nil {
				return err
			}
			if out == "" {
				out = filepath.Join("runs", strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0])))
			}
			return runStudy(cmd.Context(), c, out, offline, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "run directory (default: runs/ and the configuration's name)")
	f.StringVar(&device, "device", "", "auto, go, xla:cpu or xla:cuda (default: the configuration's)")
	f.IntVar(&devices, "devices", 0, "devices that work side by side (default: the configuration's, else 1)")
	f.StringArrayVar(&sets, "set", nil, "override a key: key.path=value (can be repeated)")
	f.BoolVar(&offline, "offline", false, "do not use the network")
	return cmd
}

func runStudy(ctx context.Context, c study.Config, dir string, offline bool, stdout, stderr io.Writer) error {
	stream, err := openStream(ctx, c, offline, stderr)
	if err != nil {
		return err
	}
	var model *opened
	defer func() { model.close() }()
	view := newStudyView(stderr)
	err = study.Run(ctx, dir, c, study.Inputs{
		Stream: stream,
		Open: func(ctx context.Context) (prompt.Template, engine.Runner, error) {
			var err error
			if model, err = openModel(ctx, modelOptions{name: c.Backbone, device: c.Device, devices: c.Devices, dtype: c.DType, quantize: c.Quantize, offline: offline,
				memory: c.Memory, rowTokens: c.RowTokens, batchTokens: c.BatchTokens, train: true}, stderr); err != nil {
				return nil, nil, err
			}
			p, err := fitting(c.Prompt, model.model.Config.MaxSeq)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", c.Backbone, err)
			}
			t, err := prompt.New(p, model.model.Tokenizer)
			return t, model.engine, err
		},
		Backend: func() (compute.Backend, error) { return model.backend, nil },
		Events:  view.event,
	})
	view.close()
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			_, _ = fmt.Fprintf(stderr, "stopped; what is finished is kept in %s: run the same command to go on\n", dir)
		}
		return err
	}
	return tellReport(dir, stdout)
}

// fitting is the template's configuration with sequences no longer than the model takes.
func fitting(p prompt.Config, model int) (prompt.Config, error) {
	limit := 1024 // the templates' own defaults
	if p.Template == prompt.TallRec {
		limit = 512
	}
	switch {
	case model <= 0:
	case p.MaxTokens > model:
		return p, &study.KeyError{Key: "prompt.max_tokens", Msg: fmt.Sprintf("%d is more than the %d tokens that the model takes", p.MaxTokens, model)}
	case p.MaxTokens == 0 && model < limit:
		p.MaxTokens = model
	}
	return p, nil
}

// tellReport writes the report of a run directory and prints its table.
func tellReport(dir string, stdout io.Writer) error {
	r, err := report.Write(dir)
	if err != nil {
		return err
	}
	if err := report.Text(stdout, r); err != nil {
		return err
	}
	for _, f := range append([]string{study.ResultsFile}, report.Files...) {
		if _, err := fmt.Fprintln(stdout, filepath.Join(dir, f)); err != nil {
			return err
		}
	}
	return nil
}
