package main

import (
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"lsat/catalog"
)

// newProgress shows downloads as bars on a terminal, and as plain lines elsewhere.
func newProgress(w io.Writer) catalog.Progress {
	if isTerminal(w) {
		return &barProgress{w: w}
	}
	return &lineProgress{w: w, every: 5 * time.Second, now: time.Now}
}

// barProgress draws one bar at a time.
type barProgress struct {
	w    io.Writer
	pool *mpb.Progress
	bar  *mpb.Bar
	last time.Time
	done int64
}

func (p *barProgress) Begin(what string, done, total int64) {
	p.pool = mpb.New(mpb.WithOutput(p.w), mpb.WithWidth(64), mpb.WithAutoRefresh())
	p.bar = p.pool.AddBar(total,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.Counters(decor.SizeB1024(0), "% .1f / % .1f"), decor.Name(" "), decor.EwmaETA(decor.ET_STYLE_GO, 30)))
	p.bar.SetCurrent(done)
	p.bar.SetRefill(done)
	p.last, p.done = time.Now(), done
}

func (p *barProgress) Set(done int64) {
	if done < p.done { // the download started over
		p.bar.SetRefill(0)
	}
	now := time.Now()
	p.bar.EwmaSetCurrent(done, now.Sub(p.last))
	p.last, p.done = now, done
}

func (p *barProgress) End(error) {
	p.bar.Abort(true) // an ended bar is gone, complete or not; the line after it says what came of it
	p.pool.Wait()
	p.pool, p.bar = nil, nil
}

func (p *barProgress) Note(line string) {
	if p.pool != nil {
		_, _ = fmt.Fprintln(p.pool, line)
		return
	}
	_, _ = fmt.Fprintln(p.w, line)
}

// lineProgress prints a line at the start of a part, and then one every few seconds.
type lineProgress struct {
	w     io.Writer
	every time.Duration
	now   func() time.Time

	what         string
	first, total int64
	begun, told  time.Time
}

func (p *lineProgress) Begin(what string, done, total int64) {
	p.what, p.first, p.total = what, done, total
	p.begun = p.now()
	p.told = p.begun
	line := "getting " + what
	if total > 0 {
		line += ", " + mebibytes(total)
	}
	if done > 0 {
		line += ", of which " + mebibytes(done) + " are here already"
	}
	_, _ = fmt.Fprintln(p.w, line)
}

func (p *lineProgress) Set(done int64) {
	now := p.now()
	if now.Sub(p.told) < p.every {
		return
	}
	p.told = now
	line := fmt.Sprintf("%s: %s", p.what, mebibytes(done))
	if p.total > 0 && done > p.first {
		left := time.Duration(float64(now.Sub(p.begun)) * float64(max(p.total-done, 0)) / float64(done-p.first))
		line += fmt.Sprintf(" of %s, %v left", mebibytes(p.total), left.Round(time.Second))
	}
	_, _ = fmt.Fprintln(p.w, line)
}

func (p *lineProgress) End(error) {}

func (p *lineProgress) Note(line string) { _, _ = fmt.Fprintln(p.w, line) }
