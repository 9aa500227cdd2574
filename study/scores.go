package study

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"lsat/adapter"
	"lsat/internal/atomicfile"
	"lsat/period"
	"lsat/prompt"
)

// chunkTargets is about how many samples are scored between two writes: what a kill can lose.
const chunkTargets = 2048

// scoreHeader starts every score file: format and version.
const scoreHeader = "lsat log-odds 1\n"

// scores returns the log-odds of the samples of a list, in the list's order, under an adapter (nil for the bare backbone) that id identifies.
// They are computed in chunks, and each chunk is stored under the hash of all that decides it.
func (x *executor) scores(ctx context.Context, name, task, id string, a *adapter.Adapter, list *sampleList) ([]float64, error) {
	memo := id + "/" + list.hash()
	if s, ok := x.scored[memo]; ok {
		x.meter.end(name, true, "")
		return s, nil
	}
	src, err := x.source(list)
	if err != nil {
		return nil, fmt.Errorf("study: %s: %w", task, err)
	}
	check := x.newCheck(list)
	template, err := x.templateHash(src)
	if err != nil {
		return nil, fmt.Errorf("study: %s: %w", task, err)
	}
	key := sha256.Sum256([]byte(strings.Join([]string{x.in.Runner.BackboneHash(), x.in.Runner.Numerics(), template, id, list.hash()}, "\n")))
	dir := filepath.Join(x.dir, "scores", hex.EncodeToString(key[:]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("study: %w", err)
	}
	out := make([]float64, list.size)
	done, reused := 0, true
	for c, part := range chunks(src) {
		chunk, err := prompt.Read(src, part.Lo, part.Hi)
		if err == nil {
			err = check.take(chunk)
		}
		if err != nil {
			return nil, fmt.Errorf("study: %s: %w", task, err)
		}
		n := countTargets(chunk)
		path := filepath.Join(dir, fmt.Sprintf("%04d.f64", c))
		odds, err := readScores(path, n)
		if err != nil {
			if reused {
				reused = false
				if seqs, ok := src.(prompt.List); ok {
					if err := x.freeze(ctx, list, seqs); err != nil {
						return nil, fmt.Errorf("study: %s: %w", task, err)
					}
					copy(chunk, seqs[part.Lo:part.Hi])
				}
				x.meter.begin(name, task, list.size)
			}
			if odds, err = x.scoreChunk(ctx, chunk, a, done, list.size); err != nil {
				return nil, fmt.Errorf("study: %s: %w", task, err)
			}
			if err := writeScores(path, odds); err != nil {
				return nil, fmt.Errorf("study: %s: %w", task, err)
			}
		}
		k := 0
		for _, s := range chunk {
			for _, t := range s.Targets {
				out[check.place(t.Sample)] = odds[k]
				k++
			}
		}
		if done += n; !reused {
			x.meter.progress(done, list.size)
		}
	}
	if err := check.end(); err != nil {
		return nil, fmt.Errorf("study: %s: %w", task, err)
	}
	x.scored[memo] = out
	x.meter.end(name, reused, "")
	return out, nil
}

func (x *executor) scoreChunk(ctx context.Context, chunk []prompt.Sequence, a *adapter.Adapter, before, of int) ([]float64, error) {
	scores, err := x.in.Runner.Score(ctx, chunk, x.in.Template.Answers(), a, func(done, _ int) { x.meter.progress(before+done, of) })
	if err != nil {
		return nil, err
	}
	if len(scores) != len(chunk) {
		return nil, fmt.Errorf("engine gave scores of %d of %d sequences", len(scores), len(chunk))
	}
	var odds []float64
	for i, s := range scores {
		if len(s) != len(chunk[i].Targets) {
			return nil, fmt.Errorf("engine gave %d scores for %d targets", len(s), len(chunk[i].Targets))
		}
		for k, v := range s {
			if math.IsNaN(v) {
				return nil, fmt.Errorf("the log-odds of sample %d are not a number", chunk[i].Targets[k].Sample)
			}
		}
		odds = append(odds, s...)
	}
	return odds, nil
}

// chunks cuts a source's sequences into runs of at least chunkTargets targets, always in the same places.
func chunks(src prompt.Source) []period.Range {
	var out []period.Range
	lo, n := 0, 0
	for i := range src.Len() {
		if n += src.Targets(i); n >= chunkTargets {
			out = append(out, period.Range{Lo: lo, Hi: i + 1})
			lo, n = i+1, 0
		}
	}
	if lo < src.Len() {
		out = append(out, period.Range{Lo: lo, Hi: src.Len()})
	}
	return out
}

func countTargets(seqs []prompt.Sequence) int {
	n := 0
	for _, s := range seqs {
		n += len(s.Targets)
	}
	return n
}

// writeScores stores log-odds: the header, the values as little-endian float64, and the SHA-256 of both.
func writeScores(path string, odds []float64) error {
	b := []byte(scoreHeader)
	for _, v := range odds {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	sum := sha256.Sum256(b)
	b = append(b, sum[:]...)
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// readScores reads n log-odds. A file that is missing, damaged or of another length is an error, and its chunk is scored again.
func readScores(path string, n int) ([]float64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) != len(scoreHeader)+8*n+sha256.Size || !bytes.HasPrefix(b, []byte(scoreHeader)) {
		return nil, fmt.Errorf("%s: not %d log-odds", path, n)
	}
	body := b[:len(b)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], b[len(body):]) {
		return nil, fmt.Errorf("%s: damaged", path)
	}
	odds := make([]float64, n)
	for i := range odds {
		odds[i] = math.Float64frombits(binary.LittleEndian.Uint64(body[len(scoreHeader)+8*i:]))
	}
	return odds, nil
}
