//! From a lesson's text to its pages, or to everything that is wrong with it.

use super::directive::Directive;
use super::expression::Expression;
use super::question::{Answer, Question, Tolerance};
use super::state::is_state_name;
use super::{Lesson, Page, Part, Step};
use std::collections::BTreeSet;
use std::fmt;

/// A mistake in a lesson's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LessonError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for LessonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl Lesson {
    /// Reads a lesson's text.
    ///
    /// # Errors
    /// All mistakes, in the order of their lines.
    pub fn parse(text: &str) -> Result<Self, Vec<LessonError>> {
        let mut reader = Reader::default();
        let mut lines = text.lines().zip(1..).peekable();
        while let Some((line, number)) = lines.next() {
            let Some(fence) = fence(line) else {
                reader.prose_line(line, number);
                continue;
            };
            let mut block = Vec::new();
            let mut is_closed = false;
            for (line, number) in lines.by_ref() {
                if line.trim() == fence.marks {
                    is_closed = true;
                    break;
                }
                block.push((line, number));
            }
            if !is_closed {
                reader.error(
                    number,
                    format!("the block is not closed; a line `{}` closes it", fence.marks),
                );
            }
            reader.block(line, &fence, &block, number);
        }
        reader.finish()
    }
}

/// The first line of a fenced block.
struct Fence<'a> {
    /// The back quotes or tildes.
    marks: &'a str,
    /// The first word behind them.
    language: &'a str,
    /// What else is in the line.
    caption: &'a str,
}

fn fence(line: &str) -> Option<Fence<'_>> {
    let line = line.trim();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let n_marks = line.chars().take_while(|c| *c == mark).count();
    let (marks, rest) = line.split_at(n_marks);
    let (language, caption) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    (n_marks >= 3 && !rest.contains('`')).then_some(Fence {
        marks,
        language,
        caption: caption.trim(),
    })
}

#[derive(Default)]
struct Reader {
    title: String,
    pages: Vec<Page>,
    prose: String,
    errors: Vec<LessonError>,
    /// Names that notes have given so far.
    notes: BTreeSet<String>,
    has_opened: bool,
}

impl Reader {
    fn error(&mut self, line: usize, message: impl Into<String>) {
        let message = message.into();
        self.errors.push(LessonError { line, message });
    }

    fn page(&mut self) -> &mut Page {
        if self.pages.is_empty() {
            self.pages.push(Page::default());
        }
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    fn prose_line(&mut self, line: &str, number: usize) {
        if let Some(title) = line.strip_prefix("# ") {
            if !self.title.is_empty() {
                self.error(number, "a lesson has one title; pages begin with `##`");
            }
            title.trim().clone_into(&mut self.title);
        } else if let Some(title) = line.strip_prefix("## ") {
            self.end_prose();
            self.pages.push(Page {
                title: title.trim().to_owned(),
                parts: Vec::new(),
            });
        } else {
            self.prose.push_str(line);
            self.prose.push('\n');
        }
    }

    fn end_prose(&mut self) {
        let prose = std::mem::take(&mut self.prose).trim().to_owned();
        if !prose.is_empty() {
            self.page().parts.push(Part::Prose(prose));
        }
    }

    fn block(&mut self, line: &str, fence: &Fence<'_>, block: &[(&str, usize)], number: usize) {
        let part = match fence.language {
            "systole" => self.step(fence, block, number).map(Part::Step),
            "question" => self.question(block, number).map(Part::Question),
            _ => {
                for line in std::iter::once(line)
                    .chain(block.iter().map(|(line, _)| *line))
                    .chain([fence.marks])
                {
                    self.prose.push_str(line);
                    self.prose.push('\n');
                }
                return;
            }
        };
        self.end_prose();
        self.page().parts.extend(part);
    }

    fn step(&mut self, fence: &Fence<'_>, block: &[(&str, usize)], number: usize) -> Option<Step> {
        let mut directives = Vec::new();
        for &(line, number) in block.iter().filter(|(line, _)| !line.trim().is_empty()) {
            match Directive::parse(line) {
                Err(message) => self.error(number, message),
                Ok(directive) => {
                    self.check_directive(&directive, number);
                    directives.push(directive);
                }
            }
        }
        if block.iter().all(|(line, _)| line.trim().is_empty()) {
            self.error(number, "the step is empty");
        } else if fence.caption.is_empty() {
            self.error(number, "the step has no caption: write what it does behind `systole`");
        }
        Some(Step {
            caption: fence.caption.to_owned(),
            directives,
        })
    }

    fn check_directive(&mut self, directive: &Directive, number: usize) {
        for expression in directive.expressions() {
            self.check_names(expression, number);
        }
        match directive {
            Directive::Open { .. } => self.has_opened = true,
            Directive::Note(name, _) if is_state_name(name) => {
                self.error(
                    number,
                    format!("`{name}` is a name of the machine already; choose another one"),
                );
            }
            Directive::Note(name, _) => {
                self.notes.insert(name.clone());
            }
            Directive::Machine(_) | Directive::Move(_) if !self.has_opened => {
                self.error(
                    number,
                    format!("`{directive}` needs something that is open: write `open` first"),
                );
            }
            _ => {}
        }
    }

    fn check_names(&mut self, expression: &Expression, number: usize) {
        for name in expression.names() {
            if !is_state_name(name) && !self.notes.contains(name) {
                let message =
                    format!("nothing is called `{name}`: no number of the machine and no note before this line");
                self.error(number, message);
            }
        }
    }

    fn question(&mut self, block: &[(&str, usize)], number: usize) -> Option<Question> {
        let mut fields = Fields::default();
        for &(line, number) in block {
            if let Err(message) = fields.line(line.trim(), number) {
                self.error(number, message);
            }
        }
        if fields.text.is_empty() {
            self.error(
                number,
                "the question has no text; it comes before `answer:` and the choices",
            );
        }
        if fields.hints.is_empty() {
            self.error(number, "the question has no `hint:`; a student who is stuck needs one");
        }
        if let Some((value, line)) = &fields.value {
            self.check_names(value, *line);
        }
        let answer = match fields.answer() {
            Ok(answer) => answer,
            Err(message) => {
                self.error(number, message);
                return None;
            }
        };
        Some(Question {
            text: fields.text,
            answer,
            hints: fields.hints,
            why: fields.why,
        })
    }

    fn finish(mut self) -> Result<Lesson, Vec<LessonError>> {
        self.end_prose();
        if self.title.is_empty() {
            self.error(1, "the lesson has no title; a line `# TITLE` gives it one");
        }
        if self.pages.is_empty() {
            self.error(1, "the lesson has no page");
        }
        self.errors.sort_by_key(|error| error.line);
        if self.errors.is_empty() {
            Ok(Lesson {
                title: self.title,
                pages: self.pages,
            })
        } else {
            Err(self.errors)
        }
    }
}

/// The lines of a question, sorted by what they say.
#[derive(Default)]
struct Fields {
    text: String,
    value: Option<(Expression, usize)>,
    unit: String,
    tolerance: Option<Tolerance>,
    options: Vec<String>,
    right: Vec<usize>,
    hints: Vec<String>,
    why: String,
}

impl Fields {
    fn line(&mut self, line: &str, number: usize) -> Result<(), String> {
        let field = |name: &str| line.strip_prefix(name).map(str::trim);
        if let Some(text) = field("(x)") {
            self.right.push(self.options.len());
            self.options.push(text.to_owned());
        } else if let Some(text) = field("( )") {
            self.options.push(text.to_owned());
        } else if let Some(text) = field("answer:") {
            if self.value.replace((Expression::parse(text)?, number)).is_some() {
                return Err("a question has one answer".to_owned());
            }
        } else if let Some(text) = field("unit:") {
            text.clone_into(&mut self.unit);
        } else if let Some(text) = field("tolerance:") {
            self.tolerance = Some(Tolerance::parse(text)?);
        } else if let Some(text) = field("hint:") {
            self.hints.push(text.to_owned());
        } else if let Some(text) = field("why:") {
            text.clone_into(&mut self.why);
        } else if self.value.is_some() || !self.options.is_empty() {
            if !line.is_empty() {
                return Err(format!(
                    "`{line}` is no line of a question; those begin with answer:, unit:, tolerance:, hint:, why:, ( ) or (x)"
                ));
            }
        } else {
            let space = if self.text.is_empty() || line.is_empty() {
                ""
            } else {
                " "
            };
            self.text = format!("{}{space}{line}", self.text);
        }
        Ok(())
    }

    fn answer(&self) -> Result<Answer, String> {
        match (&self.value, &self.options[..], &self.right[..]) {
            (Some(_), [_, ..], _) => Err("a question has an `answer:` or choices, not both".to_owned()),
            (Some((value, _)), [], _) => Ok(Answer::Number {
                value: value.clone(),
                unit: self.unit.clone(),
                tolerance: self.tolerance.unwrap_or(Tolerance::Absolute(0.0)),
            }),
            (None, [], _) => Err("the question has neither an `answer:` nor choices".to_owned()),
            (None, [_], _) => Err("one choice is no choice".to_owned()),
            (None, _, [right_idx]) => Ok(Answer::Choice {
                options: self.options.clone(),
                right_idx: *right_idx,
            }),
            (None, _, right) => Err(format!("one choice is marked `(x)`, not {}", right.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
# Sample

About this.

## First

Some *text*.

```systole Load it
open matmul
note start = cycle
```

```rust
## no page
```

## Second

```question
How
many?
answer: cycle - start
unit: cycles
tolerance: 5 %
hint: Count.
why: Because.
```

```question
Which?
( ) this
(x) that
hint: The other one.
```
";

    #[test]
    fn a_lesson_has_pages_of_parts() {
        let lesson = Lesson::parse(SAMPLE).unwrap();
        assert_eq!(lesson.title, "Sample");
        let titles: Vec<&str> = lesson.pages.iter().map(|page| page.title.as_str()).collect();
        assert_eq!(titles, ["", "First", "Second"]);
        assert_eq!(lesson.pages[0].parts, [Part::Prose("About this.".to_owned())]);
        let [Part::Prose(text), Part::Step(step), Part::Prose(code)] = &lesson.pages[1].parts[..] else {
            panic!("{:?}", lesson.pages[1].parts);
        };
        assert_eq!(
            (text.as_str(), step.caption.as_str(), step.directives.len()),
            ("Some *text*.", "Load it", 2)
        );
        assert_eq!(code, "```rust\n## no page\n```");
        let [Part::Question(number), Part::Question(choice)] = &lesson.pages[2].parts[..] else {
            panic!("{:?}", lesson.pages[2].parts);
        };
        assert_eq!((number.text.as_str(), number.why.as_str()), ("How many?", "Because."));
        assert!(matches!(&choice.answer, Answer::Choice { options, right_idx: 1 } if options.len() == 2));
    }

    #[test]
    fn all_mistakes_are_told_at_once_by_their_lines() {
        let text = "\
## Page
```systole Go
run to end
dance
claim ghost = 1
note cycle = 3
```
```systole
```
```question
answer: 1 +
```
```question
Q
( ) a
(x) b
(x) c
odd
hint: h
```
# Late title
# Another title
```systole Open end
open matmul";
        let errors = Lesson::parse(text).unwrap_err();
        let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 8, 10, 10, 10, 11, 13, 18, 22, 23], "{errors:#?}");
        assert!(errors[0].message.contains("write `open` first"));
        assert!(errors[2].message.contains("nothing is called `ghost`"));
        assert!(
            errors[12].to_string().starts_with("line 23: the block is not closed"),
            "{}",
            errors[12]
        );
    }
}
