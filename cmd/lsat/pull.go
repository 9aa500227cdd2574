package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lsat/catalog"
)

func init() { commands = append(commands, newPullCommand) }

func newPullCommand() *cobra.Command {
	var opts catalog.Options
	var list, verify bool
	cmd := &cobra.Command{
		Use:   "pull NAME...",
		Short: "Get models, data sets and the XLA plugin by name",
		Long: "Gets entries of the catalogue into the user's cache directory, checks them against pinned SHA-256 sums and prints where\n" +
			"each lies. What is there already is used without a network. An interrupted download goes on where it stopped.",
		Example: "  lsat pull --list\n  lsat pull pjrt-cpu smollm2-135m-instruct ml-100k\n" +
			"  lsat pull hf:HuggingFaceTB/SmolLM2-135M-Instruct\n  lsat pull ml-1m --from ~/Downloads/ml-1m.zip",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case list && len(args) > 0:
				return errors.New("--list takes no names")
			case !list && len(args) == 0:
				return errors.New("pull what? Name an entry, or use --list to see them")
			case opts.From != "" && len(args) > 1:
				return errors.New("--from goes with one name")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listCatalog(cmd.OutOrStdout())
			}
			opts.Progress = newProgress(cmd.ErrOrStderr())
			for _, name := range args {
				r, err := catalog.Pull(cmd.Context(), name, opts)
				if err != nil {
					return err
				}
				if verify {
					if err := catalog.Verify(r); err != nil {
						return err
					}
				}
				tellPulled(cmd.ErrOrStderr(), name, r)
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), r.Main); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.From, "from", "", "take it from this file, directory or archive instead of its sources")
	f.BoolVar(&opts.Offline, "offline", false, "do not use the network")
	f.StringVar(&opts.CacheDir, "cache-dir", "", "keep it in this directory (default: lsat in the user's cache directory)")
	f.BoolVar(&list, "list", false, "list the catalogue")
	f.BoolVar(&verify, "verify", false, "read cached files again and compare their sums")
	return cmd
}

// tellPulled says on stderr where an entry came from, its licence, and which of its sums nobody vouches for.
func tellPulled(w io.Writer, name string, r catalog.Result) {
	if r.Cached {
		_, _ = fmt.Fprintf(w, "%s: in the cache\n", name)
		return
	}
	_, _ = fmt.Fprintf(w, "%s: from %s; licence: %s\n", name, r.Source, r.Entry.License)
	if len(r.Unpinned) > 0 {
		_, _ = fmt.Fprintf(w, "%s: no published sum for %d of its files; theirs are recorded now, and later downloads are held to them\n", name, len(r.Unpinned))
	}
}

func listCatalog(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "NAME\tSIZE\tCACHED\tWHAT\tLICENCE\tHOME")
	for _, e := range catalog.List() {
		have := "no"
		switch _, err := catalog.Find(e.Name, ""); {
		case err == nil:
			have = "yes"
		case !errors.Is(err, catalog.ErrNotCached):
			return err
		}
		size := "?"
		if e.Size > 0 {
			size = mebibytes(e.Size)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, size, have, e.Title, e.License, e.Home)
	}
	_, _ = fmt.Fprintln(t, "hf:org/name\t?\t\tany model of the Hugging Face hub (also hf:org/name@revision, hf:org/name:file.gguf)\tits own\thttps://huggingface.co")
	return t.Flush()
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// isTerminal tells whether w is a terminal, where bars make sense.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
