package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"lsat/internal/atomicfile"
)

// key identifies what decides a measurement besides the size: this program with all of lsat in it, and the options.
func (o options) key() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %d %d %d %s", sha256.Sum256(text), o.interactions, o.seed, o.warm, o.device))
	return hex.EncodeToString(sum[:]), nil
}

// stored is a measurement as it lies in a file.
type stored struct {
	Key string `json:"key"`
	measurement
}

func sizePath(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("size-%d.json", n)) }

// keep stores a measurement in place of an older one of the same size.
func keep(dir, key string, m measurement) error {
	return atomicfile.Write(sizePath(dir, m.Targets), 0o644, func(w io.Writer) error { return json.NewEncoder(w).Encode(stored{key, m}) })
}

// kept reads the measurement of a size. Its error wraps os.ErrNotExist where there is none with that key.
func kept(dir, key string, n int) (measurement, error) {
	path := sizePath(dir, n)
	text, err := os.ReadFile(path)
	if err != nil {
		return measurement{}, err
	}
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return measurement{}, fmt.Errorf("%s is damaged (remove it to measure anew): %w", path, err)
	}
	if s.Key != key {
		return measurement{}, fmt.Errorf("%s is of another program or other options: %w", path, os.ErrNotExist)
	}
	return s.measurement, nil
}

// write writes the table. Sizes are in ascending order; ratios are to the first.
func write(w io.Writer, o options, all []measurement) error {
	if len(all) == 0 {
		return nil
	}
	first := all[0]
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("%d generated ratings (seed %d); a generated Llama of %d layers, %d wide; `stream`, one epoch, %s, %s, %d cores.\n",
		o.interactions, o.seed, shape.Layers, shape.Hidden, first.Device, first.DType, first.Cores)
	p("| targets | tokens a target | train, µs a target | ratio | CPU µs | ratio | score, µs a target | ratio | CPU µs | ratio | peak training, MB | ratio | peak scoring, MB | ratio |")
	p("|" + strings.Repeat(" ---: |", 14))
	for _, m := range all {
		row := fmt.Sprintf("| %d | %.2f |", m.Targets, float64(m.Tokens)/float64(m.Targets))
		for _, seconds := range []func(measurement) float64{
			func(m measurement) float64 { return m.Train }, func(m measurement) float64 { return m.TrainCPU },
			func(m measurement) float64 { return m.Score }, func(m measurement) float64 { return m.ScoreCPU },
		} {
			micros := func(m measurement) float64 { return seconds(m) * 1e6 / float64(m.Targets) }
			row += fmt.Sprintf(" %.1f | %.2f |", micros(m), micros(m)/micros(first))
		}
		for _, bytes := range []func(measurement) int64{func(m measurement) int64 { return m.TrainPeak }, func(m measurement) int64 { return m.ScorePeak }} {
			row += fmt.Sprintf(" %.0f | %.2f |", float64(bytes(m))/1e6, float64(bytes(m))/float64(bytes(first)))
		}
		p("%s", row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
