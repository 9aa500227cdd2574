package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lsat/internal/hostmemory"
	"lsat/period"
	"lsat/study"
)

func init() { commands = append(commands, newPrepareCommand) }

func newPrepareCommand() *cobra.Command {
	var sets []string
	var asJSON, offline bool
	cmd := &cobra.Command{
		Use:   "prepare CONFIG.yaml",
		Short: "Read the data of a study, cut the periods and run the leakage audit, without training",
		Long: "Does all that lsat study does before it opens a model: reads the ratings, cuts them into periods, splits each into training and validation\n" +
			"part, and runs the leakage audit and the checks of every part that a strategy needs. Prints what came of it, the time and the peak memory.\n" +
			"Nothing is written.",
		Example: "  lsat prepare configs/demo.yaml\n  lsat prepare configs/ml-1m-cpu.yaml --set data.path=~/data/ml-1m --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := study.Load(args[0], os.Environ(), sets)
			if err != nil {
				return err
			}
			p, err := prepare(cmd.Context(), c, offline, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), asJSON)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&sets, "set", nil, "override a key: key.path=value (can be repeated)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVar(&offline, "offline", false, "do not use the network")
	return cmd
}

// prepared is what lsat prepare tells.
type prepared struct {
	Data         string `json:"data"`
	Hash         string `json:"hash"`
	Interactions int    `json:"interactions"`
	Users        int    `json:"users"`
	Items        int    `json:"items"`
	Skipped      int    `json:"skipped"`
	Filtered     int    `json:"filtered"`
	Untitled     int    `json:"untitled"`
	Samples      int    `json:"samples"`
	// Periods are all periods of the stream, tested or not.
	Periods []preparedPeriod `json:"periods"`
	Audit   string           `json:"audit"`
	// Seconds are those of the whole command; PeakMemory is the largest size in memory that the process had, in bytes, or 0 where the system does not tell.
	Seconds    float64 `json:"seconds"`
	PeakMemory int64   `json:"peak_memory"`
}

type preparedPeriod struct {
	Period int `json:"period"`
	// From and To are the times of the first and of the last sample.
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Samples int       `json:"samples"`
	Train   int       `json:"train"`
	Valid   int       `json:"validation"`
	// Likes is the share of the samples that are liked.
	Likes float64 `json:"likes"`
}

func prepare(ctx context.Context, c study.Config, offline bool, stderr io.Writer) (prepared, error) {
	began := time.Now()
	s, err := openStream(ctx, c, offline, stderr)
	if err != nil {
		return prepared{}, err
	}
	report, err := study.Audit(ctx, c, s)
	if err != nil {
		return prepared{}, err
	}
	set := s.Set
	p := prepared{
		Data: set.Name, Hash: set.Hash, Interactions: len(set.Interactions), Users: len(set.Users), Items: len(set.Items), Skipped: set.Skipped,
		Filtered: set.Filtered, Untitled: set.Untitled, Samples: len(s.Samples), Audit: report,
	}
	for t := range s.Periods {
		p.Periods = append(p.Periods, describePeriod(s, t))
	}
	p.Seconds = time.Since(began).Seconds()
	p.PeakMemory, _ = hostmemory.Peak()
	return p, nil
}

func describePeriod(s *period.Stream, t int) preparedPeriod {
	p := s.Periods[t]
	return preparedPeriod{
		Period: t, From: time.Unix(p.Start, 0).UTC(), To: time.Unix(p.End, 0).UTC(), Samples: p.All.Len(), Train: p.Train.Len(), Valid: p.Valid.Len(),
		Likes: float64(s.CountLiked(p.All)) / float64(max(1, p.All.Len())),
	}
}

func (p prepared) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(p)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	const at = "2006-01-02 15:04:05"
	_, _ = fmt.Fprintln(t, "period\tfrom\tto\tsamples\ttrain\tvalidation\tliked\t") // its errors come with Flush
	for _, r := range p.Periods {
		_, _ = fmt.Fprintf(t, "D%d\t%s\t%s\t%d\t%d\t%d\t%.1f%%\t\n", r.Period, r.From.Format(at), r.To.Format(at), r.Samples, r.Train, r.Valid, 100*r.Likes)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	memory := ""
	if p.PeakMemory > 0 {
		memory = ", peak memory " + mebibytes(p.PeakMemory)
	}
	_, err := fmt.Fprintf(w, "%s: %d interactions, %d users, %d items, %d lines skipped; %d samples\n%s\n%.2f s%s\n",
		p.Data, p.Interactions, p.Users, p.Items, p.Skipped, p.Samples, p.Audit, p.Seconds, memory)
	return err
}
